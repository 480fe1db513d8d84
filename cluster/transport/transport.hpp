#pragma once
// The links of one node: it accepts, dials, greets, carries frames, and notices who is gone. ZeroMQ with
// CURVE, and no ZeroMQ in this header.
#include "cluster/actors.hpp"
#include "protocol/base/name.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <span>
#include <thread>

namespace mayfly::wire {
struct envelope_view;
} // namespace mayfly::wire

namespace mayfly::cluster {

/// What every link of a node shares.
struct transport_options {
  node_id node;
  messages::role_set roles = 0;
  messages::bytes32 public_key{};
  ephemeral_bytes secret_key; ///< CURVE, 32 bytes
  name bind;                  ///< "tcp://127.0.0.1:*"; empty: accepts nothing (a supervisor)
  std::vector<messages::bytes32> trusted;

  std::size_t max_message_bytes = std::size_t{64} << 20;
  std::size_t outbox_bytes = std::size_t{256} << 20; ///< of one link; beyond it the link is dropped
  std::chrono::milliseconds idle{200};               ///< then a heartbeat is sent
  std::chrono::milliseconds silence{1000};           ///< then the peer is lost
  std::chrono::milliseconds ping{200};               ///< ZeroMQ's own heartbeat
  std::chrono::milliseconds ping_timeout{600};
  std::chrono::milliseconds handshake{2000}; ///< from connect to the other's hello
  std::uint16_t oldest_version = 1;
  std::uint16_t newest_version = 1;
};

/// What a transport tells. Called by its thread alone: queue and return.
class link_listener {
public:
  virtual ~link_listener() = default;
  /// Both hellos are in; the peer may be spoken to.
  virtual void up(peer_ref const& peer, link_direction direction) = 0;
  /// The link that came up with this peer is gone.
  virtual void down(peer_ref const& peer, error const& why) = 0;
  /// A message; the view dies with the call. An error but `unsupported` drops the link.
  virtual result<void> arrived(peer_ref const& from, wire::envelope_view const& opened) = 0;
  /// About every 50 ms.
  virtual void beat() {}
};

/// One attempt to reach a node. `up` at most once, `down` exactly once and last, unless it is hung up. Both
/// are called by the transport's thread: queue and return.
struct dial_request {
  name endpoint;
  messages::bytes32 public_key{}; ///< who must answer
  node_id expected;               ///< none: whoever holds the key
  std::function<void(peer_ref const&)> up;
  /// Errors: unavailable (nobody accepts, or the link went), untrusted (a key is refused, or another node
  /// answered), version_mismatch, malformed and its kin, io.
  std::function<void(error const&)> down;
};

using dial_number = std::uint64_t;

/// Thread-safe but for start and stop.
class transport {
public:
  /// Binds, starts the link thread, and tests that a random key is refused. Errors: io (`number`: errno),
  /// untrusted (a stranger's key was let in: the node must not run), configuration (keys of a wrong length).
  /// The listener must outlive the transport.
  static result<std::unique_ptr<transport>> start(transport_options options, link_listener& listener);
  /// Gives what was sent up to 200 ms to leave, then closes: the listener hears `down` for each link, and
  /// nothing after.
  ~transport();
  /// What the destructor does, sooner: afterwards everything else does nothing. Not by the link thread.
  void stop();
  /// From now on what dialling nodes say is taken; until then they wait. So whoever hears it can be made
  /// after the transport.
  void open();
  transport(transport const&) = delete;
  transport& operator=(transport const&) = delete;

  /// Where it accepts, the port known; empty if it does not.
  name const& endpoint() const noexcept;

  dial_number dial(dial_request request);
  /// Ends an attempt or its link; its callbacks are not called any more (a call under way may finish).
  void hang_up(dial_number dial);
  /// Closes the link with a node, whoever dialled.
  void drop(node_id node);

  /// Replaces the list of trusted keys: links of keys that left it are closed and their frames dropped at
  /// once. Returns those keys.
  std::vector<messages::bytes32> set_trusted(std::span<messages::bytes32 const> keys);
  /// Replaces the members that are vouched for (see trust_set).
  void set_vouched(std::vector<messages::member> members);
  bool lists(messages::bytes32 const& key) const;
  bool revoked(messages::bytes32 const& key) const;

private:
  transport();
  struct parts;
  std::unique_ptr<parts> parts_;
};

} // namespace mayfly::cluster
