#include "cluster/membership/peer_link.hpp"

#include "protocol/base/clock.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::cluster {
namespace {

constexpr std::chrono::milliseconds shortest_wait{50};
constexpr std::chrono::milliseconds longest_wait{2000};

class peer_link_state {
public:
  static inline char const* const name = "peer_link";

  peer_link_actor::pointer self = nullptr;
  std::shared_ptr<transport> links;
  dial_target target;

  ~peer_link_state() {
    if (links && phase_ == phase::dialling) links->hang_up(number_);
  }

  void dial() {
    auto const own = caf::actor_cast<peer_link_actor>(self);
    dial_request request{target.endpoint, target.public_key, target.expected, {}, {}};
    request.up = [own](peer_ref const& peer) { caf::anon_send(own, link_up{peer, link_direction::dialled}); };
    request.down = [own, node = target.expected](error const&) { caf::anon_send(own, link_down{node}); };
    phase_ = phase::dialling;
    number_ = links->dial(std::move(request));
  }

  void up() {
    phase_ = phase::up;
    wait_ = shortest_wait;
  }

  void down() {
    phase_ = phase::waiting;
    if (stopping_) return self->quit();
    again_at_ = boot_clock::now() + wait_;
    wait_ = std::min(wait_ * 2, longest_wait);
  }

  void tick() {
    if (phase_ == phase::waiting && boot_clock::now() >= again_at_) dial();
  }

  void stop() {
    stopping_ = true;
    if (phase_ != phase::up) self->quit();
  }

private:
  enum class phase { waiting, dialling, up };
  phase phase_ = phase::waiting;
  dial_number number_ = 0;
  std::chrono::milliseconds wait_ = shortest_wait;
  boot_clock::time_point again_at_{};
  bool stopping_ = false;
};

peer_link_actor::behavior_type peer_link(peer_link_actor::stateful_pointer<peer_link_state> self,
                                         std::shared_ptr<transport> const& links, dial_target const& target) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.self = self;
  state.links = links;
  state.target = target;
  state.dial();
  return {
      [&state](link_up const&) { state.up(); },
      [&state](link_down const&) { state.down(); },
      [&state](stop_dialling) { state.stop(); },
      [&state](tick) { state.tick(); },
  };
}

} // namespace

peer_link_actor spawn_peer_link(caf::actor_system& system, std::shared_ptr<transport> links,
                                dial_target target) {
  return system.spawn(peer_link, std::move(links), std::move(target));
}

} // namespace mayfly::cluster
