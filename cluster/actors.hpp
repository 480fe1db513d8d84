#pragma once
// The cluster's own actors.
#include "cluster/peer.hpp"

#include <caf/actor.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <vector>

namespace mayfly::cluster {

/// The regular beat that drives deadlines. Sent by one timer thread of the node (CAF's delayed messages
/// cannot be cancelled and keep their payload alive), every 100 ms.
struct tick {};

/// A role's actor wants `peer_joined`, `peer_left` and `process_exited`; it is told of every present peer at
/// once.
struct subscribe {
  caf::actor subscriber;
};

enum class link_direction : std::uint8_t { dialled, accepted };

/// A link came up: hello exchanged, key accepted.
struct link_up {
  peer_ref peer;
  link_direction direction = link_direction::dialled;
};

/// A link is gone: closed, silent for a second, or refused.
struct link_down {
  node_id node;
};

/// From the node's own supervisor, over its control channel.
struct local_view {
  messages::member_view view;
};

/// From the own supervisor too: keys that were taken off the list of those that may link here.
struct trust_withdrawn {
  std::vector<messages::bytes32> keys;
};

/// membership: who is in the cluster, as the seeds and the own supervisor tell it; dials whom this node's
/// roles need.
using membership_actor = caf::typed_actor<
    /// A supervisor announces its children (seeds only). Answered to its peer with the `member_view`.
    caf::reacts_to<received<messages::announcement>>,
    /// A seed's view, at a node that is not a seed.
    caf::reacts_to<received<messages::member_view>>,
    /// The supervisor's word about its own children, and about the cluster where it knows more.
    caf::reacts_to<local_view>,
    /// Whoever is linked on such a key's word alone is closed soon.
    caf::reacts_to<trust_withdrawn>,
    /// A role's actor wants to hear of peers.
    caf::reacts_to<subscribe>,
    /// Links report.
    caf::reacts_to<link_up>, caf::reacts_to<link_down>,
    /// Expires members whose supervisor is silent.
    caf::reacts_to<tick>>;

/// peer_link: keeps one dialled link alive: connects, greets, reconnects with back-off until told to stop.
/// Frames do not pass through it: the link's thread hands them to the router.
struct stop_dialling {};
using peer_link_actor = caf::typed_actor<
    /// The transport's word on the connection.
    caf::reacts_to<link_up>, caf::reacts_to<link_down>,
    /// The member left the view.
    caf::reacts_to<stop_dialling>,
    /// Back-off passes.
    caf::reacts_to<tick>>;

} // namespace mayfly::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::tick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::subscribe)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::link_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::link_down)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::local_view)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::trust_withdrawn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::stop_dialling)
