#pragma once
// One connection, whichever socket carries it.
#include "cluster/transport/outbox.hpp"
#include "cluster/transport/socket.hpp"
#include "cluster/transport/transport.hpp"
#include "protocol/base/clock.hpp"

#include <sys/socket.h>

namespace mayfly::cluster {

enum class session_state {
  connecting, ///< dialled; no CURVE handshake yet
  greeting,   ///< the other's hello is awaited
  up,
  refused, ///< a refusal is on its way; nothing is taken, the connection closes soon
};

/// A number for a new session or dial; unique in the process.
session_number next_session_number() noexcept;

class session {
public:
  session(session_number own_number, link_direction way, messages::bytes32 const& their_key,
          std::size_t outbox_bytes)
      : number(own_number), direction(way), key(their_key),
        account(std::make_shared<link_account>(outbox_bytes)) {}
  virtual ~session() { account->closed = true; }
  session(session const&) = delete;
  session& operator=(session const&) = delete;

  /// False if the connection is gone.
  virtual bool transmit(frame_owner frame) = 0;
  /// The connection is closed (by us, or found closed).
  virtual void ended(error const& why) = 0;
  virtual void came_up() {}

  session_number const number;
  link_direction const direction;
  messages::bytes32 const key;
  std::shared_ptr<link_account> const account;
  session_state state = session_state::greeting;
  node_id node; ///< expected, or known from hello
  peer_ref peer;
  std::uint64_t trust_version =
      ~std::uint64_t{0}; ///< the version of the trust set under which the key was last judged
  std::uint64_t heartbeats = 0;
  boot_clock::time_point since = boot_clock::now();
  boot_clock::time_point last_received = since;
  boot_clock::time_point last_sent = since;
};

/// Hands a frame to ZeroMQ, which frees (and so wipes) it once encrypted. False if it was not taken.
bool send_frame(link_socket const& to, frame_owner frame) noexcept;

/// A connection to the own ROUTER.
class accepted_session final : public session {
public:
  accepted_session(link_socket const& router, std::string routing_id, messages::bytes32 const& their_key,
                   int descriptor, std::size_t outbox_bytes);
  bool transmit(frame_owner frame) override;
  /// A ROUTER cannot close one of its connections: its TCP socket is shut down instead, if it is still the
  /// same one.
  void ended(error const& why) override;

  int descriptor() const noexcept { return descriptor_; }
  /// The connection is known to be closed: its descriptor is not ours any more.
  void disown_descriptor() noexcept { descriptor_ = -1; }

private:
  link_socket const& router_;
  std::string routing_id_;
  int descriptor_;
  sockaddr_storage remote_{};
};

/// A connection of our own making: a DEALER that connects once.
class dialled_session final : public session {
public:
  dialled_session(session_number own_number, link_context const& context, transport_options const& options,
                  dial_request request);
  bool transmit(frame_owner frame) override;
  void ended(error const& why) override;
  void came_up() override;
  /// Nobody wants its callbacks any more.
  void forget() noexcept { request_.up = nullptr, request_.down = nullptr; }

  link_socket const& socket() const noexcept { return socket_; }
  socket_monitor const& monitor() const noexcept { return monitor_; }

private:
  dial_request request_;
  link_socket socket_;
  socket_monitor monitor_;
};

/// The options that accepting and dialling sockets share.
void set_link_options(link_socket& socket, transport_options const& options);

} // namespace mayfly::cluster
