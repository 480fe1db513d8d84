#include "cluster/node/host_links.hpp"

#include "protocol/base/clock.hpp"
#include "protocol/msgpack/envelope.hpp"

namespace mayfly::node {
namespace {

constexpr std::chrono::milliseconds shortest_wait{50};
constexpr std::chrono::milliseconds longest_wait{1000};
constexpr std::size_t most_events = 1024; ///< not yet taken; a host that says more is dropped

} // namespace

/// Lives on the link thread; `linked` and `take` alone are called by others.
class host_links::ear final : public cluster::link_listener, public std::enable_shared_from_this<ear> {
public:
  ear(rank_layout layout, std::size_t own_host)
      : layout_(std::move(layout)), own_host_(own_host), peers_(layout_.hosts().size()) {}

  void use(cluster::transport& links) {
    std::lock_guard const lock(mutex_);
    links_ = &links;
  }

  cluster::peer_ref linked(std::size_t host) const {
    std::lock_guard const lock(mutex_);
    return peers_[host];
  }

  std::vector<host_event> take() {
    std::lock_guard const lock(mutex_);
    return std::exchange(events_, {});
  }

  void up(cluster::peer_ref const& peer, cluster::link_direction) override {
    std::lock_guard const lock(mutex_);
    auto const host = layout_.find(peer->public_key());
    if (!host) return;
    peers_[*host] = peer;
    wait_ = shortest_wait;
    events_.push_back({*host, host_linked{}});
  }

  void down(cluster::peer_ref const& peer, error const&) override {
    std::lock_guard const lock(mutex_);
    auto const host = layout_.find(peer->public_key());
    if (!host || peers_[*host] == nullptr || peers_[*host]->node() != peer->node()) return;
    peers_[*host] = nullptr;
    events_.push_back({*host, host_lost{}});
  }

  result<void> arrived(cluster::peer_ref const& from, wire::envelope_view const& opened) override {
    std::lock_guard const lock(mutex_);
    auto const host = layout_.find(from->public_key());
    if (!host) return error{errc::untrusted, "no host of the group", 0};
    if (events_.size() >= most_events) return error{errc::overloaded, "a host says too much", 0};
    return wire::visit_payload(opened, [&]<class M>(M&& message) {
      using kind = std::remove_cvref_t<M>;
      if constexpr (std::same_as<kind, messages::ranks_wait> || std::same_as<kind, messages::ranks_meet> ||
                    std::same_as<kind, messages::ranks_part>)
        events_.push_back({*host, std::forward<M>(message)});
    });
  }

  void beat() override {
    std::lock_guard const lock(mutex_);
    if (own_host_ == 0 || links_ == nullptr || dialling_ || boot_clock::now() < again_at_) return;
    dialling_ = true;
    auto const& first = layout_.hosts().front();
    cluster::dial_request request{first.endpoint, first.public_key, {}, {}, {}};
    request.down = [own = weak_from_this()](error const&) {
      if (auto const alive = own.lock()) alive->missed();
    };
    links_->dial(std::move(request));
  }

private:
  void missed() {
    std::lock_guard const lock(mutex_);
    dialling_ = false;
    again_at_ = boot_clock::now() + wait_;
    wait_ = std::min(wait_ * 2, longest_wait);
  }

  rank_layout const layout_;
  std::size_t const own_host_;
  mutable std::mutex mutex_;
  cluster::transport* links_ = nullptr;
  std::vector<cluster::peer_ref> peers_; ///< by host; null while not linked
  std::vector<host_event> events_;
  bool dialling_ = false;
  boot_clock::time_point again_at_{};
  std::chrono::milliseconds wait_ = shortest_wait;
};

host_links::host_links() = default;
host_links::~host_links() = default;

result<std::unique_ptr<host_links>> host_links::start(host_links_options options) {
  std::unique_ptr<host_links> made(new host_links);
  cluster::transport_options way;
  way.node = options.supervisor;
  way.roles = static_cast<messages::role_set>(messages::role::supervisor);
  way.public_key = options.public_key;
  way.secret_key = std::move(options.secret_key);
  if (options.own_host == 0) way.bind = options.layout.hosts().front().endpoint;
  for (auto const& host : options.layout.hosts())
    if (host.public_key != options.public_key) way.trusted.push_back(host.public_key);
  made->ear_ = std::make_shared<ear>(std::move(options.layout), options.own_host);
  auto links = cluster::transport::start(std::move(way), *made->ear_);
  if (!links) return links.failure();
  made->links_ = std::move(*links);
  made->ear_->use(*made->links_);
  made->links_->open();
  return made;
}

cluster::peer_ref host_links::linked(std::size_t host) const { return ear_->linked(host); }

std::vector<host_event> host_links::take_events() { return ear_->take(); }

} // namespace mayfly::node
