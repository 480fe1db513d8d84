#pragma once
// The actor that knows who is in the cluster, keeps the links that this node's roles need, and tells the
// roles.
#include "cluster/membership/member_table.hpp"
#include "cluster/membership/peer_link.hpp"

namespace mayfly::cluster {

/// Who can be asked who is in the cluster.
struct seed_address {
  name endpoint; ///< empty: the own supervisor's view tells it; the seed's word is believed all the same
  messages::bytes32 public_key{};
};

struct membership_options {
  messages::member self; ///< with the endpoint that is bound
  peer_ref local;        ///< the own process, announced to subscribers like any other peer
  std::vector<seed_address> seeds;
  bool is_seed = false;
};

/// A seed believes supervisors whose keys are listed as trusted, about their own children only, and vouches
/// for these; every other node believes its seeds. A node without a supervisor announces itself to its seeds.
/// The actor must be told `tick` every 100 ms.
membership_actor spawn_membership(caf::actor_system& system, std::shared_ptr<transport> links,
                                  membership_options options);

} // namespace mayfly::cluster
