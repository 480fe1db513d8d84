#include "cluster/transport/stream_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mayfly::cluster {
namespace {

constexpr int gone_after_ms = 5000; // sent bytes that nobody acknowledges
constexpr int keepalive_s = 1;      // idle before the first probe, and between probes
constexpr int keepalive_probes = 4;

bool set(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

bool is_tcp(int descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         (domain == AF_INET || domain == AF_INET6);
}

bool prepare_tcp(int descriptor) {
  return set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1) &&
         set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, gone_after_ms) &&
         set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) &&
         set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_s) &&
         set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_s) &&
         set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

bool is_gone(int number) {
  return number == ECONNRESET || number == EPIPE || number == ETIMEDOUT || number == EHOSTUNREACH ||
         number == ENETUNREACH || number == ENOTCONN;
}

result<std::size_t> outcome(ssize_t bytes) noexcept {
  if (bytes >= 0) return static_cast<std::size_t>(bytes);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
  if (is_gone(errno)) return error{errc::worker_lost, "the peer of a channel is gone (errno)", errno};
  return error{errc::io, "a channel's socket fails (errno)", errno};
}

} // namespace

result<stream_socket> stream_socket::prepare(int descriptor) {
  stream_socket made(descriptor);
  int const flags = ::fcntl(descriptor, F_GETFL);
  bool const ready = flags >= 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
                     ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 &&
                     (!is_tcp(descriptor) || prepare_tcp(descriptor));
  if (!ready) return error{errc::io, "a channel's socket cannot be prepared (errno)", errno};
  return made;
}

stream_socket::~stream_socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

result<std::size_t> stream_socket::send(std::span<std::byte const> bytes) const noexcept {
  return outcome(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

result<std::size_t> stream_socket::receive(std::span<std::byte> bytes) const noexcept {
  auto const got = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got == 0) return error{errc::worker_lost, "the peer of a channel closed it", 0};
  return outcome(got);
}

bool stream_socket::await_readable(deadline until) const noexcept {
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - boot_clock::now()).count();
  if (left <= 0) return false;
  pollfd waiting{descriptor_, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000))) > 0 ||
         boot_clock::now() < until;
}

void stream_socket::shut_down() const noexcept { ::shutdown(descriptor_, SHUT_RDWR); }

} // namespace mayfly::cluster
