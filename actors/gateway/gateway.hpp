#pragma once
// The gateway's actor: every request of this node, from the session that submits it to the closed lease.
#include "actors/gateway/gateway_view.hpp"
#include "actors/gateway/generation_run.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct gateway_options {
  node_id self;
  run_limits limits;
  std::uint32_t max_in_flight = 1024;   ///< more are refused with `overloaded`
  std::vector<name> models;             ///< the catalogue: readiness needs a worker for each
  std::shared_ptr<gateway_view> view;   ///< null: none wanted
  deadline (*now)() = &boot_clock::now; ///< tests bring their own clock
};

/// The node subscribes it to the peers and sends it `tick`.
gateway_actor spawn_gateway(caf::actor_system& system, gateway_options options);

/// The kinds that the gateway takes.
void register_routes(cluster::router& routes, gateway_actor const& gateway);

} // namespace mayfly::actors
