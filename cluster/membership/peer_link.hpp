#pragma once
// Keeps one dialled link alive.
#include "cluster/transport/transport.hpp"

namespace mayfly::cluster {

/// Whom to dial.
struct dial_target {
  name endpoint;
  messages::bytes32 public_key{};
  node_id expected; ///< none: whoever holds the key
  friend bool operator==(dial_target const&, dial_target const&) = default;
};

/// Dials at once, and again 50 ms to 2 s after each loss, until `stop_dialling`. A link that is up then stays
/// up until it is lost.
peer_link_actor spawn_peer_link(caf::actor_system& system, std::shared_ptr<transport> links,
                                dial_target target);

} // namespace mayfly::cluster
