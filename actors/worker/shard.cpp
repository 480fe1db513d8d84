#include "actors/worker/shard.hpp"

#include "actors/worker/shard_state.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {
namespace {

namespace m = messages;

shard_actor::behavior_type behaviour(shard_actor::stateful_pointer<shard_state> self,
                                     std::shared_ptr<shard_options> const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.init(std::move(*options));
  return {
      [&state](take_seat const& seat) { state.take_seat(seat.offer); },
      [&state](leave_group const& word) { state.leave(word); },
      [&state](received<m::lease_forced> const& got) { state.forced(*got.message); },
      [&state](cluster::peer_joined const& joined) { state.joined(joined); },
      [&state](cluster::peer_left const& left) { state.left(left.node); },
      [&state](cluster::process_exited const& exited) { state.left(exited.node); },
      [&state](cluster::tick) { state.tick(); },
  };
}

} // namespace

shard_actor spawn_shard(caf::actor_system& system, shard_options options) {
  return system.spawn(behaviour, std::make_shared<shard_options>(std::move(options)));
}

void register_routes(cluster::router& routes, shard_actor const& shard) {
  routes.route<m::lease_forced>(shard);
}

} // namespace mayfly::actors
