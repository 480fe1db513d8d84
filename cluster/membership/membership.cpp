#include "cluster/membership/membership.hpp"

#include "cluster/membership/membership_state.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::cluster {
namespace {

membership_actor::behavior_type membership(membership_actor::stateful_pointer<membership_state> self,
                                           std::shared_ptr<transport> const& links,
                                           membership_options const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.start(self->system(), links, options);
  return {
      [&state](received<messages::announcement> const& word) { state.announced(word); },
      [&state](received<messages::member_view> const& word) { state.viewed(word); },
      [&state](local_view const& word) { state.told(word); },
      [&state](trust_withdrawn const& news) { state.withdrawn(news); },
      [&state](subscribe const& wish) { state.add(wish); },
      [&state](link_up const& news) { state.up(news); },
      [&state](link_down const& news) { state.down(news); },
      [&state](tick) { state.beat(); },
  };
}

} // namespace

membership_actor spawn_membership(caf::actor_system& system, std::shared_ptr<transport> links,
                                  membership_options options) {
  return system.spawn(membership, std::move(links), std::move(options));
}

} // namespace mayfly::cluster
