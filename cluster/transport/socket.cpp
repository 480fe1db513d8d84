#include "cluster/transport/socket.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>

namespace mayfly::cluster {
namespace {

constexpr int zero_copy_receive = 10; // ZMQ_ZERO_COPY_RECV stands in the draft part of zmq.h

} // namespace

link_context::link_context() : raw_(zmq_ctx_new()) {
  if (raw_ == nullptr) return;
  // Otherwise messages point into the decoder's buffer, which keeps about 16 bytes of plaintext beyond them.
  zmq_ctx_set(raw_, zero_copy_receive, 0);
  zmq_ctx_set(raw_, ZMQ_MAX_SOCKETS, 65535);
}

link_context::~link_context() {
  while (raw_ != nullptr && zmq_ctx_term(raw_) != 0 && zmq_errno() == EINTR) {
  }
}

link_socket::link_socket(link_context const& context, int type) : raw_(::zmq_socket(context.raw(), type)) {
  if (raw_ == nullptr) errno_ = zmq_errno();
  set(ZMQ_LINGER, 0);
}

link_socket::link_socket(link_socket&& other) noexcept
    : raw_(std::exchange(other.raw_, nullptr)), errno_(other.errno_) {}

link_socket& link_socket::operator=(link_socket&& other) noexcept {
  if (this == &other) return *this;
  close();
  raw_ = std::exchange(other.raw_, nullptr);
  errno_ = other.errno_;
  return *this;
}

void link_socket::note(int outcome) noexcept {
  if (outcome != 0 && errno_ == 0) errno_ = zmq_errno();
}

void link_socket::set(int option, int value) noexcept {
  note(zmq_setsockopt(raw_, option, &value, sizeof value));
}
void link_socket::set(int option, std::int64_t value) noexcept {
  note(zmq_setsockopt(raw_, option, &value, sizeof value));
}
void link_socket::set(int option, std::span<std::byte const> value) noexcept {
  note(zmq_setsockopt(raw_, option, value.data(), value.size()));
}
void link_socket::set(int option, std::string_view value) noexcept {
  note(zmq_setsockopt(raw_, option, value.data(), value.size()));
}
void link_socket::bind(std::string const& endpoint) noexcept { note(zmq_bind(raw_, endpoint.c_str())); }
void link_socket::connect(std::string const& endpoint) noexcept { note(zmq_connect(raw_, endpoint.c_str())); }

void link_socket::close() noexcept {
  if (raw_ != nullptr) zmq_close(std::exchange(raw_, nullptr));
}

void link_socket::refresh() const noexcept {
  int events = 0;
  auto size = sizeof events;
  zmq_getsockopt(raw_, ZMQ_EVENTS, &events, &size);
}

result<void> link_socket::failure() const noexcept {
  if (errno_ == 0) return {};
  return error{errc::io, "a link's socket cannot be set up", errno_};
}

std::string link_socket::last_endpoint() const {
  char text[256] = {};
  auto size = sizeof text;
  if (zmq_getsockopt(raw_, ZMQ_LAST_ENDPOINT, text, &size) != 0 || size == 0) return {};
  return {text, size - 1};
}

frame_part::~frame_part() {
  wipe(zmq_msg_data(&message_), zmq_msg_size(&message_));
  zmq_msg_close(&message_);
}

bool frame_part::receive(link_socket const& from) noexcept {
  return zmq_msg_recv(&message_, from.raw(), ZMQ_DONTWAIT) >= 0;
}

std::span<std::byte const> frame_part::bytes() noexcept {
  return {static_cast<std::byte const*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
}

std::string frame_part::text() {
  return {static_cast<char const*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
}

int frame_part::descriptor() noexcept { return zmq_msg_get(&message_, ZMQ_SRCFD); }

std::string_view frame_part::property(char const* key) noexcept {
  auto const* value = zmq_msg_gets(&message_, key);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool discard_rest(link_socket const& from, frame_part const& last) noexcept {
  bool more = last.more();
  bool const any = more;
  while (more) {
    frame_part rest;
    more = rest.receive(from) && rest.more();
  }
  return any;
}

socket_monitor::socket_monitor(link_context const& context, link_socket const& watched, int events)
    : watched_(watched.raw()), own_end_(context, ZMQ_PAIR) {
  static std::atomic<std::uint64_t> last_number{0};
  auto const address = "inproc://monitor-" + std::to_string(++last_number);
  own_end_.set(ZMQ_RCVHWM, 0); // a full monitor would block ZeroMQ's I/O thread
  if (zmq_socket_monitor(watched_, address.c_str(), events) == 0) own_end_.connect(address);
}

socket_monitor::~socket_monitor() { zmq_socket_monitor(watched_, nullptr, 0); }

std::optional<socket_event> socket_monitor::next() const noexcept {
  frame_part head;
  if (!head.receive(own_end_)) return std::nullopt;
  socket_event event;
  auto const bytes = head.bytes();
  if (bytes.size() == sizeof event.kind + sizeof event.value) {
    std::memcpy(&event.kind, bytes.data(), sizeof event.kind);
    std::memcpy(&event.value, bytes.data() + sizeof event.kind, sizeof event.value);
  }
  discard_rest(own_end_, head);
  return event;
}

} // namespace mayfly::cluster
