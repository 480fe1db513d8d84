#pragma once
// The gpu_worker actor: admits, and leaves the work to one engine thread a model.
#include "actors/actors.hpp"
#include "actors/worker/model_runner.hpp"
#include "actors/worker/worker_watch.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct worker_options {
  node_id self;
  name region;
  std::vector<worker_model> models;    ///< loaded: see load_worker_model
  std::shared_ptr<worker_watch> watch; ///< null: nobody watches
  want_group wants;                    ///< for models that are split over ranks
  std::chrono::milliseconds report_interval{200};
  deadline (*now)() = &boot_clock::now; ///< of the reports; engines use the boot clock
};

gpu_worker_actor spawn_worker(caf::actor_system& system, worker_options options);

void register_routes(cluster::router& routes, gpu_worker_actor const& worker);

} // namespace mayfly::actors
