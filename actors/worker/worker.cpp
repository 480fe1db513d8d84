#include "actors/worker/worker.hpp"

#include "actors/worker/worker_state.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {
namespace {

namespace m = messages;

gpu_worker_actor::behavior_type behaviour(gpu_worker_actor::stateful_pointer<worker_state> self,
                                          std::shared_ptr<worker_options> const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.init(std::move(*options));
  return {
      [&state](received<m::infer> const& got) { state.infer(got); },
      [&state](received<m::credit> const& got) { state.credit(*got.message); },
      [&state](received<m::cancel> const& got) { state.cancel(got.message->request); },
      [&state](received<m::lease_forced> const& got) { state.forced(got.message->request); },
      [&state](received<m::drain_order> const& got) { state.drain(got.message->draining); },
      [&state](take_seat const& seat) { state.take_seat(seat.offer); },
      [&state](leave_group const& word) { state.leave(word); },
      [&state](cluster::peer_joined const& joined) { state.joined(joined); },
      [&state](cluster::peer_left const& left) { state.left(left.node); },
      [&state](cluster::process_exited const& exited) { state.left(exited.node); },
      [&state](cluster::tick) { state.tick(); },
  };
}

} // namespace

gpu_worker_actor spawn_worker(caf::actor_system& system, worker_options options) {
  return system.spawn(behaviour, std::make_shared<worker_options>(std::move(options)));
}

void register_routes(cluster::router& routes, gpu_worker_actor const& worker) {
  routes.route<m::infer>(worker);
  routes.route<m::credit>(worker);
  routes.route<m::cancel>(worker);
  routes.route<m::lease_forced>(worker);
  routes.route<m::drain_order>(worker);
}

} // namespace mayfly::actors
