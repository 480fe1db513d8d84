#pragma once
// All that a node needs to be part of a cluster, in one object: its links, its membership, and the way of
// messages to its roles.
#include "cluster/membership/membership.hpp"
#include "cluster/router.hpp"

namespace mayfly::cluster {

struct node_links_options {
  /// The node as others shall know it; `endpoint` is set to what is bound.
  messages::member self;
  ephemeral_bytes secret_key; ///< CURVE, 32 bytes, of self.public_key
  name bind;                  ///< "tcp://127.0.0.1:*"
  std::vector<seed_address> seeds;
  bool is_seed = false;
  std::vector<messages::bytes32> trusted; ///< keys that may link (and, at a seed, announce)
};

class node_links {
public:
  /// Binds, tests the own door, spawns membership, adds its routes to `routes`, and lets peers in. `routes`
  /// must hold every route of the node's roles, and outlive the result; both must end before `system`.
  /// Errors: those of transport::start.
  static result<std::unique_ptr<node_links>> start(caf::actor_system& system, router& routes,
                                                   node_links_options options);
  /// As `stop`.
  ~node_links();
  node_links(node_links const&) = delete;
  node_links& operator=(node_links const&) = delete;

  /// Send it `subscribe`, and `tick` every 100 ms.
  membership_actor const& membership() const noexcept { return membership_; }
  /// The node with the endpoint that is bound.
  messages::member const& self() const noexcept { return self_; }
  /// The own process as a peer.
  peer_ref const& local() const noexcept { return local_; }

  /// What the supervisor says, over its control channel. Thread-safe.
  void set_trusted(std::span<messages::bytes32 const> keys);
  void set_local_view(messages::member_view view);

  /// Closes every link (what was sent has 200 ms to leave) and ends membership. Not by an actor.
  void stop();

private:
  class ear;
  node_links();
  std::unique_ptr<ear> ear_;
  std::shared_ptr<transport> links_;
  messages::member self_;
  peer_ref local_;
  membership_actor membership_;
};

} // namespace mayfly::cluster
