#pragma once
// The roles of one process: spawned, routed, and fed with peers and ticks.
#include "actors/actors.hpp"
#include "actors/gateway/gateway_view.hpp"
#include "actors/worker/shard.hpp"
#include "actors/worker/worker.hpp"
#include "cluster/node/configuration.hpp"
#include "cluster/node/model_loading.hpp"
#include "cluster/router.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <memory>

namespace mayfly::node {

class role_host {
public:
  /// Spawns the actors of `configuration`'s roles and fills the routes. `wants` is asked for groups of ranks.
  /// Errors: those of the retention store.
  static result<std::unique_ptr<role_host>> start(node_configuration const& configuration,
                                                  loaded_models models, actors::want_group wants);
  ~role_host(); ///< ends every actor; what they held is wiped

  caf::actor_system& system() noexcept { return system_; }
  cluster::router& routes() noexcept { return routes_; }

  /// Every role's actor hears of peers from now on.
  void subscribe(cluster::membership_actor const& membership);
  void tick();
  /// Take nothing new, finish what runs.
  void drain(cluster::peer_ref const& self);
  /// A group of ranks is formed, or over, for the worker or the shard here.
  void take_seat(std::shared_ptr<actors::group_offer> offer);
  void leave_group(actors::leave_group word);
  /// What the gateway still answers fails now.
  void end_answers();
  /// True while a request's session has not said that all is over and wiped, or an engine works.
  bool busy() const;
  /// How long the slowest engine has been in one step: a stuck one grows without end.
  std::chrono::nanoseconds longest_engine_turn() const;

  actors::gateway_actor const& gateway() const noexcept { return gateway_; }
  actors::gateway_view& view() noexcept { return *view_; }
  /// What operations knows; null where this node has no such role, or it did not answer within a second.
  std::shared_ptr<actors::cluster_status const> status();

private:
  role_host();
  result<void> spawn(node_configuration const& configuration, loaded_models models, actors::want_group wants);
  void spawn_rank(node_configuration const& configuration, loaded_models models, actors::want_group wants);
  result<void> spawn_retention(node_configuration const& configuration);

  caf::actor_system_config system_options_;
  caf::actor_system system_;
  cluster::router routes_;
  std::shared_ptr<actors::gateway_view> view_ = std::make_shared<actors::gateway_view>();
  std::shared_ptr<actors::worker_watch> watch_ = std::make_shared<actors::worker_watch>();
  actors::gateway_actor gateway_;
  actors::scheduler_actor scheduler_;
  actors::gpu_worker_actor worker_;
  actors::shard_actor shard_;
  actors::retention_actor retention_;
  actors::operations_actor operations_;
  std::vector<caf::actor> all_;
};

} // namespace mayfly::node
