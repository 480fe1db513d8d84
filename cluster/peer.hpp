#pragma once
// How a role speaks to a role, wherever it runs: messages of the catalogue, one way, never waited for. In the
// same process they are handed over as they are; to another node they travel as envelopes. A role cannot tell
// which.
#include "protocol/base/ephemeral.hpp"
#include "protocol/messages/catalogue.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <memory>

namespace mayfly::cluster {

using messages::message;

/// A message on its way, its type erased: immutable, shared, freed (and content wiped) with its last holder.
class parcel {
public:
  template <message M>
  explicit parcel(M message)
      : kind_(messages::kind_of<M>::number), message_(std::make_shared<M const>(std::move(message))) {}

  std::uint16_t kind() const noexcept { return kind_; }

  /// Precondition: M is the type it was made with (its kind says so).
  template <message M>
  std::shared_ptr<M const> as() const {
    return std::static_pointer_cast<M const>(message_);
  }

  /// The whole envelope from `sender` to `receiver`. Throws std::bad_alloc where memory ends. Defined in
  /// cluster/transport/parcel_encoding.cpp for every kind of the catalogue: this header needs no codec.
  ephemeral_bytes encode(node_id sender, node_id receiver) const;

private:
  std::uint16_t kind_;
  std::shared_ptr<void const> message_;
};

/// A node of the cluster that can be spoken to: the own process, or one behind a link. Thread-safe.
class peer {
public:
  peer(node_id node, messages::role_set roles, messages::bytes32 const& public_key = {}) noexcept
      : node_(node), roles_(roles), public_key_(public_key) {}
  virtual ~peer() = default;

  node_id node() const noexcept { return node_; }
  messages::role_set roles() const noexcept { return roles_; }
  /// The CURVE key that it proved to hold; the own one for the own process.
  messages::bytes32 const& public_key() const noexcept { return public_key_; }

  /// Queues a message; never blocks. What a lost link had not sent is dropped and wiped: `peer_left` tells.
  template <message M>
  void send(M message) const {
    deliver(parcel(std::move(message)));
  }
  virtual void deliver(parcel message) const = 0;

private:
  node_id node_;
  messages::role_set roles_;
  messages::bytes32 public_key_;
};

using peer_ref = std::shared_ptr<peer const>;

/// What an actor gets when a message reaches it: who sent it, and the message.
template <message M>
struct received {
  peer_ref from;
  std::shared_ptr<M const> message;
};

/// A peer whose roles may be spoken to from now on (the own process is announced the same way, once).
struct peer_joined {
  peer_ref peer;
  messages::member member;
};

/// The link is lost. What the node held is not known to be wiped.
struct peer_left {
  node_id node;
};

/// The node's process is known to have ended (its supervisor reaped it), before or after `peer_left`.
struct process_exited {
  node_id node;
  std::int64_t at_unix_ms = 0;
};

} // namespace mayfly::cluster

// Messages between actors never leave the process through CAF: its serialisation is not used, and nothing
// that may hold content is inspectable.
template <class M>
struct caf::allowed_unsafe_message_type<mayfly::cluster::received<M>> : std::true_type {};
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::peer_joined)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::peer_left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::cluster::process_exited)
