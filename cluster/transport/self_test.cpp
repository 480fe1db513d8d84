#include "cluster/transport/self_test.hpp"

#include "protocol/base/clock.hpp"
#include "protocol/crypto/keys.hpp"

namespace mayfly::cluster {
namespace {

link_socket stranger(link_context const& context, messages::bytes32 const& server_key) {
  auto const key = crypto::link_key::generate();
  link_socket socket(context, ZMQ_DEALER);
  socket.set(ZMQ_CURVE_PUBLICKEY, key.public_key);
  socket.set(ZMQ_CURVE_SECRETKEY, key.secret.reveal());
  socket.set(ZMQ_CURVE_SERVERKEY, server_key);
  socket.set(ZMQ_RECONNECT_IVL, -1);
  return socket;
}

/// The verdict in an event, if there is one.
std::optional<result<void>> verdict_of(socket_event const& event) {
  if (event.kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return result<void>();
  if (event.kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
    return result<void>(error{errc::untrusted, "a stranger's key was let in", event.value});
  return std::nullopt;
}

} // namespace

result<void> refuses_strangers(link_context const& context, std::string const& endpoint,
                               messages::bytes32 const& server_key, std::chrono::milliseconds patience) {
  auto socket = stranger(context, server_key);
  socket_monitor const monitor(context, socket, ZMQ_EVENT_ALL);
  socket.connect(endpoint);
  if (auto const made = socket.failure(); !made) return made;
  auto const ends = boot_clock::now() + patience;
  while (boot_clock::now() < ends) {
    zmq_pollitem_t item{monitor.socket().raw(), 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 10);
    while (auto const event = monitor.next())
      if (auto const verdict = verdict_of(*event)) return *verdict;
  }
  return error{errc::untrusted, "a stranger's key was not refused in time", 0};
}

} // namespace mayfly::cluster
