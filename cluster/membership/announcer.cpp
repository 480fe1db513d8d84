#include "cluster/membership/announcer.hpp"

#include "protocol/base/clock.hpp"
#include "protocol/msgpack/envelope.hpp"

#include <algorithm>
#include <map>

namespace mayfly::cluster {
namespace {

constexpr std::chrono::milliseconds shortest_wait{50};
constexpr std::chrono::milliseconds longest_wait{2000};

} // namespace

/// Lives on the link thread; `announce` alone is called by others.
class announcer::voice final : public link_listener, public std::enable_shared_from_this<voice> {
public:
  explicit voice(announcer_options const& options)
      : on_view_(options.on_view), interval_(options.interval), supervisor_(options.supervisor) {
    for (auto const& one : options.seeds) seeds_[one.public_key].address = one;
  }

  /// Before the transport is opened; it outlives the calls of its thread.
  void use(transport& links) {
    std::lock_guard const lock(mutex_);
    links_ = &links;
  }

  void announce(messages::announcement word) {
    word.supervisor = supervisor_;
    std::lock_guard const lock(mutex_);
    word_ = std::move(word);
    tell_all();
  }

  std::size_t linked() const {
    std::lock_guard const lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(seeds_.begin(), seeds_.end(), [](auto const& entry) { return entry.second.peer; }));
  }

  void up(peer_ref const& peer, link_direction) override {
    std::lock_guard const lock(mutex_);
    auto& seed = seeds_[peer->public_key()];
    seed.peer = peer;
    seed.wait = shortest_wait;
    if (word_) peer->send(*word_);
  }
  void down(peer_ref const& peer, error const&) override {
    std::lock_guard const lock(mutex_);
    seeds_[peer->public_key()].peer = nullptr;
  }
  result<void> arrived(peer_ref const&, wire::envelope_view const& opened) override {
    auto const view = wire::payload_of<messages::member_view>(opened);
    if (!view) return view.failure();
    if (on_view_) on_view_(*view);
    return {};
  }
  void beat() override {
    std::lock_guard const lock(mutex_);
    auto const now = boot_clock::now();
    if (links_ == nullptr) return;
    for (auto& [key, seed] : seeds_)
      if (!seed.dialling && now >= seed.again_at) dial(seed);
    if (now >= next_word_) tell_all();
  }

private:
  struct seed_state {
    seed_address address;
    peer_ref peer; ///< none while not linked
    bool dialling = false;
    boot_clock::time_point again_at{};
    std::chrono::milliseconds wait = shortest_wait;
  };

  void dial(seed_state& seed) {
    seed.dialling = true;
    dial_request request{seed.address.endpoint, seed.address.public_key, {}, {}, {}};
    request.down = [own = weak_from_this(), key = seed.address.public_key](error const&) {
      if (auto const alive = own.lock()) alive->lost(key);
    };
    links_->dial(std::move(request));
  }

  void lost(messages::bytes32 const& key) {
    std::lock_guard const lock(mutex_);
    auto& seed = seeds_[key];
    seed.dialling = false;
    seed.again_at = boot_clock::now() + seed.wait;
    seed.wait = std::min(seed.wait * 2, longest_wait);
  }

  void tell_all() {
    next_word_ = boot_clock::now() + interval_;
    if (!word_) return;
    for (auto const& [key, seed] : seeds_)
      if (seed.peer) seed.peer->send(*word_);
  }

  std::function<void(messages::member_view const&)> const on_view_;
  std::chrono::milliseconds const interval_;
  node_id const supervisor_;
  mutable std::mutex mutex_;
  transport* links_ = nullptr;
  std::map<messages::bytes32, seed_state> seeds_;
  std::optional<messages::announcement> word_;
  boot_clock::time_point next_word_{};
};

announcer::announcer() = default;

result<std::unique_ptr<announcer>> announcer::start(announcer_options options) {
  std::unique_ptr<announcer> made(new announcer);
  made->voice_ = std::make_shared<voice>(options);
  transport_options way;
  way.node = options.supervisor;
  way.roles = static_cast<messages::role_set>(messages::role::supervisor);
  way.public_key = options.public_key;
  way.secret_key = std::move(options.secret_key);
  auto links = transport::start(std::move(way), *made->voice_);
  if (!links) return links.failure();
  made->links_ = std::move(*links);
  made->voice_->use(*made->links_);
  return made;
}

announcer::~announcer() = default;

void announcer::announce(messages::announcement word) { voice_->announce(std::move(word)); }

std::size_t announcer::linked_seeds() const { return voice_->linked(); }

} // namespace mayfly::cluster
