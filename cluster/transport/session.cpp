#include "cluster/transport/session.hpp"

#include <cstring>

namespace mayfly::cluster {
namespace {

int remote_of(int descriptor, sockaddr_storage& remote) noexcept {
  socklen_t size = sizeof remote;
  std::memset(&remote, 0, sizeof remote);
  return getpeername(descriptor, reinterpret_cast<sockaddr*>(&remote), &size);
}

int milliseconds_of(std::chrono::milliseconds time) noexcept { return static_cast<int>(time.count()); }

} // namespace

session_number next_session_number() noexcept {
  static std::atomic<session_number> last{0};
  return ++last;
}

bool send_frame(link_socket const& to, frame_owner frame) noexcept {
  zmq_msg_t message;
  auto const bytes = frame->bytes();
  auto const release = [](void*, void* owner) { delete static_cast<outgoing_frame*>(owner); };
  if (zmq_msg_init_data(&message, bytes.data(), bytes.size(), release, frame.get()) != 0) return false;
  static_cast<void>(frame.release());
  if (zmq_msg_send(&message, to.raw(), ZMQ_DONTWAIT) >= 0) return true;
  zmq_msg_close(&message);
  return false;
}

void set_link_options(link_socket& socket, transport_options const& options) {
  socket.set(ZMQ_CURVE_PUBLICKEY, options.public_key);
  socket.set(ZMQ_CURVE_SECRETKEY, options.secret_key.reveal());
  socket.set(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(options.max_message_bytes));
  socket.set(ZMQ_IMMEDIATE, 1);
  // The bound on what waits is in bytes and ours: ZeroMQ's high-water marks count messages.
  socket.set(ZMQ_SNDHWM, 0);
  socket.set(ZMQ_HEARTBEAT_IVL, milliseconds_of(options.ping));
  socket.set(ZMQ_HEARTBEAT_TIMEOUT, milliseconds_of(options.ping_timeout));
  socket.set(ZMQ_HEARTBEAT_TTL, milliseconds_of(options.ping_timeout));
  socket.set(ZMQ_HANDSHAKE_IVL, milliseconds_of(options.handshake));
}

accepted_session::accepted_session(link_socket const& router, std::string routing_id,
                                   messages::bytes32 const& their_key, int descriptor,
                                   std::size_t outbox_bytes)
    : session(next_session_number(), link_direction::accepted, their_key, outbox_bytes), router_(router),
      routing_id_(std::move(routing_id)), descriptor_(descriptor) {
  if (remote_of(descriptor_, remote_) != 0) descriptor_ = -1;
}

bool accepted_session::transmit(frame_owner frame) {
  auto const* id = routing_id_.data();
  if (zmq_send(router_.raw(), id, routing_id_.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return false;
  return send_frame(router_, std::move(frame));
}

void accepted_session::ended(error const&) {
  sockaddr_storage now{};
  if (descriptor_ < 0 || remote_of(descriptor_, now) != 0) return;
  if (std::memcmp(&now, &remote_, sizeof now) == 0) shutdown(descriptor_, SHUT_RDWR);
  descriptor_ = -1;
}

dialled_session::dialled_session(session_number own_number, link_context const& context,
                                 transport_options const& options, dial_request request)
    : session(own_number, link_direction::dialled, request.public_key, options.outbox_bytes),
      request_(std::move(request)), socket_(context, ZMQ_DEALER), monitor_(context, socket_, ZMQ_EVENT_ALL) {
  state = session_state::connecting;
  node = request_.expected;
  set_link_options(socket_, options);
  socket_.set(ZMQ_CURVE_SERVERKEY, request_.public_key);
  // One attempt a socket: who dials decides when to try again.
  socket_.set(ZMQ_RECONNECT_IVL, -1);
  socket_.set(ZMQ_CONNECT_TIMEOUT, milliseconds_of(options.handshake));
  socket_.connect(request_.endpoint.text());
}

bool dialled_session::transmit(frame_owner frame) { return send_frame(socket_, std::move(frame)); }

void dialled_session::ended(error const& why) {
  if (request_.down) request_.down(why);
  forget();
}

void dialled_session::came_up() {
  if (request_.up) request_.up(peer);
}

} // namespace mayfly::cluster
