#pragma once
// The scheduler's actor: answers placements from soft state. It sees metadata alone, by type.
#include "actors/actors.hpp"
#include "actors/scheduler/cluster_view.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct scheduler_options {
  view_limits limits;
  std::shared_ptr<placement_policy> policy; ///< null: least_loaded
  deadline (*now)() = &boot_clock::now;
};

scheduler_actor spawn_scheduler(caf::actor_system& system, scheduler_options options = {});

void register_routes(cluster::router& routes, scheduler_actor const& scheduler);

} // namespace mayfly::actors
