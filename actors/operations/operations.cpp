#include "actors/operations/operations.hpp"

#include "actors/operations/status_board.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {
namespace {

namespace m = messages;

struct operations_state {
  static constexpr char const* name = "operations";
  operations_options options;
  status_board board;

  std::shared_ptr<cluster_status const> status() const {
    return std::make_shared<cluster_status const>(board.status(options.now()));
  }
};

operations_actor::behavior_type behaviour(operations_actor::stateful_pointer<operations_state> self,
                                          operations_options const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.options = options;
  return {
      [&state](status_query) { return state.status(); },
      [&state](received<m::worker_report> const& got) {
        state.board.reported(*got.message, state.options.now());
      },
      [&state](received<m::rank_report> const& got) { state.board.reported(*got.message); },
      [&state](received<m::gateway_report> const& got) { state.board.reported(*got.message); },
      [&state](received<m::retention_report> const& got) {
        state.board.reported(got.from->node(), *got.message);
      },
      [&state](cluster::peer_joined const& joined) { state.board.joined(joined.member); },
      [&state](cluster::peer_left const& left) { state.board.left(left.node, state.options.now()); },
      [&state](cluster::process_exited const& exited) { state.board.left(exited.node, state.options.now()); },
      [&state](cluster::tick) { state.board.tick(state.options.now()); },
  };
}

} // namespace

operations_actor spawn_operations(caf::actor_system& system, operations_options options) {
  return system.spawn(behaviour, options);
}

void register_routes(cluster::router& routes, operations_actor const& operations) {
  routes.route<m::worker_report>(operations);
  routes.route<m::rank_report>(operations);
  routes.route<m::gateway_report>(operations);
  routes.route<m::retention_report>(operations);
}

} // namespace mayfly::actors
