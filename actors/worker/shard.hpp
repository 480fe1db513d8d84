#pragma once
// The shard actor: a rank of a tensor-parallel group beside the first. It follows the plans of rank 0, which
// is a gpu_worker, and holds content under the same leases.
#include "actors/actors.hpp"
#include "actors/worker/shard_thread.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct shard_options {
  node_id self;
  std::vector<shard_model> models;     ///< loaded
  std::shared_ptr<worker_watch> watch; ///< null: nobody watches
  want_group wants;
  std::chrono::milliseconds report_interval{200};
};

shard_actor spawn_shard(caf::actor_system& system, shard_options options);

void register_routes(cluster::router& routes, shard_actor const& shard);

} // namespace mayfly::actors
