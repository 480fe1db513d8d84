#pragma once
// The operations actor: one picture of the cluster, for the command line, the metrics and later the console.
#include "actors/actors.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct operations_options {
  deadline (*now)() = &boot_clock::now;
};

operations_actor spawn_operations(caf::actor_system& system, operations_options options = {});

void register_routes(cluster::router& routes, operations_actor const& operations);

} // namespace mayfly::actors
