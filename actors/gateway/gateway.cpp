#include "actors/gateway/gateway.hpp"

#include "actors/gateway/gateway_state.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {
namespace {

namespace m = messages;

gateway_actor::behavior_type behaviour(gateway_actor::stateful_pointer<gateway_state> self,
                                       std::shared_ptr<gateway_options> const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.init(std::move(*options));
  return {
      [&state](submit const& asked) { state.run(asked); },
      [&state](chunks_taken const& taken) { state.taken(taken); },
      [&state](abandon const& left) { state.abandoned(left.request); },
      [&state](answer_over const& over) { state.over(over); },
      [&state](end_answers) { state.end_all(); },
      [&state](find_receipt const& asked) { state.find(asked); },
      [&state](received<m::placement> const& got) { state.placed(got.from->node(), *got.message); },
      [&state](received<m::admission> const& got) { state.admitted(got.from->node(), *got.message); },
      [&state](received<m::output_chunk> const& got) { state.chunk(got.from->node(), got.message); },
      [&state](received<m::finished> const& got) { state.finish(got.from->node(), *got.message); },
      [&state](received<m::worker_report> const& got) { state.reported(*got.message); },
      [&state](received<m::lease_opened> const& got) { state.opened(*got.message); },
      [&state](received<m::lease_forced> const& got) { state.forced(got.message->request); },
      [&state](received<m::receipt_answer> const& got) { state.receipt(got.from->node(), *got.message); },
      [&state](received<m::drain_order> const& got) { state.drain(got.message->draining); },
      [&state](cluster::peer_joined const& joined) { state.joined(joined); },
      [&state](cluster::peer_left const& left) { state.left(left.node); },
      [&state](cluster::process_exited const& exited) { state.left(exited.node); },
      [&state](cluster::tick) { state.tick(); },
  };
}

} // namespace

gateway_actor spawn_gateway(caf::actor_system& system, gateway_options options) {
  return system.spawn(behaviour, std::make_shared<gateway_options>(std::move(options)));
}

void register_routes(cluster::router& routes, gateway_actor const& gateway) {
  routes.route<m::placement>(gateway);
  routes.route<m::admission>(gateway);
  routes.route<m::output_chunk>(gateway);
  routes.route<m::finished>(gateway);
  routes.route<m::worker_report>(gateway);
  routes.route<m::lease_opened>(gateway);
  routes.route<m::lease_forced>(gateway);
  routes.route<m::receipt_answer>(gateway);
  routes.route<m::drain_order>(gateway);
}

} // namespace mayfly::actors
