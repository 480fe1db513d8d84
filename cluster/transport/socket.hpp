#pragma once
// ZeroMQ's handles with owners. Included by this folder's sources alone.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"
#include "protocol/messages/fields.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <zmq.h>

namespace mayfly::cluster {

/// A context with one I/O thread. Its sockets must be closed before it.
class link_context {
public:
  link_context();
  link_context(link_context const&) = delete;
  link_context& operator=(link_context const&) = delete;
  ~link_context();
  void* raw() const noexcept { return raw_; }

private:
  void* raw_;
};

/// A socket. Linger is 0: what is unsent when it closes is freed (and wiped). The first option, bind or
/// connect that fails is remembered in `failure()`.
class link_socket {
public:
  link_socket() noexcept = default;
  link_socket(link_context const& context, int type);
  link_socket(link_socket&& other) noexcept;
  link_socket& operator=(link_socket&& other) noexcept;
  ~link_socket() { close(); }

  void set(int option, int value) noexcept;
  void set(int option, std::int64_t value) noexcept;
  void set(int option, std::span<std::byte const> value) noexcept;
  void set(int option, std::string_view value) noexcept;
  void bind(std::string const& endpoint) noexcept;
  void connect(std::string const& endpoint) noexcept;
  void close() noexcept;
  /// Takes note of what the I/O thread did: a send alone looks only about once a millisecond, and fails on a
  /// connection that stands already.
  void refresh() const noexcept;

  /// ok, or io with errno.
  result<void> failure() const noexcept;
  std::string last_endpoint() const;
  void* raw() const noexcept { return raw_; }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

private:
  void note(int outcome) noexcept;
  void* raw_ = nullptr;
  int errno_ = 0;
};

/// One received message part; wiped when it goes.
class frame_part {
public:
  frame_part() noexcept { zmq_msg_init(&message_); }
  frame_part(frame_part const&) = delete;
  frame_part& operator=(frame_part const&) = delete;
  ~frame_part();

  /// False if nothing is there.
  bool receive(link_socket const& from) noexcept;
  bool more() const noexcept { return zmq_msg_more(&message_) != 0; }
  std::span<std::byte const> bytes() noexcept;
  std::string text();
  /// The connection it came over; -1 if unknown.
  int descriptor() noexcept;
  /// A property of the connection ("User-Id"); empty if there is none.
  std::string_view property(char const* key) noexcept;

private:
  zmq_msg_t message_;
};

/// Takes what is left of a message of several parts; true if there was anything.
bool discard_rest(link_socket const& from, frame_part const& last) noexcept;

/// What a socket's monitor told.
struct socket_event {
  std::uint16_t kind = 0; ///< ZMQ_EVENT_*
  std::int32_t value = 0; ///< a descriptor, an errno, a ZAP status
};

/// Hears what happens to a socket's connections. Must end before the watched socket does: ZeroMQ's own
/// threads block forever on an event that nobody can take.
class socket_monitor {
public:
  /// `events`: an OR of ZMQ_EVENT_*.
  socket_monitor(link_context const& context, link_socket const& watched, int events);
  socket_monitor(socket_monitor const&) = delete;
  socket_monitor& operator=(socket_monitor const&) = delete;
  ~socket_monitor();

  std::optional<socket_event> next() const noexcept;
  link_socket const& socket() const noexcept { return own_end_; }

private:
  void* watched_;
  link_socket own_end_;
};

} // namespace mayfly::cluster
