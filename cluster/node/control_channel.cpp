#include "cluster/node/control_channel.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr std::size_t head_bytes = 5;
constexpr std::size_t largest_frame_bytes = std::size_t{16} << 20;
constexpr int send_patience_ms = 1000;

error lost(literal what) { return error{errc::io, what, errno}; }

std::uint32_t length_of(std::byte const* head) {
  std::uint32_t length = 0;
  std::memcpy(&length, head, sizeof length);
  return length;
}

result<void> send_all(int descriptor, std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    auto const sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return lost("the control channel is closed");
    pollfd writable{descriptor, POLLOUT, 0};
    if (poll(&writable, 1, send_patience_ms) == 0) return lost("the control channel's reader stopped");
  }
  return {};
}

} // namespace

control_channel::~control_channel() {
  if (descriptor_ >= 0) close(descriptor_);
}

result<std::pair<int, int>> control_channel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return lost("no socket pair could be made");
  return std::pair{ends[0], ends[1]};
}

result<void> control_channel::send(control_type type, std::span<std::byte const> body) {
  std::vector<std::byte> frame(head_bytes + body.size());
  auto const length = static_cast<std::uint32_t>(1 + body.size());
  std::memcpy(frame.data(), &length, sizeof length);
  frame[4] = static_cast<std::byte>(type);
  if (!body.empty()) std::memcpy(frame.data() + head_bytes, body.data(), body.size());
  std::scoped_lock guard(sending_);
  return send_all(descriptor_, frame);
}

result<std::vector<control_frame>> control_channel::receive() {
  std::byte buffer[16384];
  bool open = true;
  for (;;) {
    auto const got = recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      partial_.insert(partial_.end(), buffer, buffer + got);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    open = got < 0 && errno == EAGAIN;
    break;
  }
  std::vector<control_frame> frames;
  std::size_t at = 0;
  while (partial_.size() - at >= head_bytes) {
    std::size_t const length = length_of(partial_.data() + at);
    if (length == 0 || length > largest_frame_bytes)
      return error{errc::too_large, "a control frame's length", 0};
    if (partial_.size() - at < 4 + length) break;
    auto const* body = partial_.data() + at + head_bytes;
    frames.push_back({static_cast<control_type>(partial_[at + 4]), {body, body + length - 1}});
    at += 4 + length;
  }
  partial_.erase(partial_.begin(), partial_.begin() + static_cast<std::ptrdiff_t>(at));
  if (!open && frames.empty()) return lost("the control channel is closed");
  return frames;
}

} // namespace mayfly::node
