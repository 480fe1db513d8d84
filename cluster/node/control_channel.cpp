#include "cluster/node/control_channel.hpp"

#include "protocol/base/wipe.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr std::size_t head_bytes = 6; ///< length, type, how many descriptors
constexpr std::size_t most_descriptors = 64;
constexpr std::size_t largest_frame_bytes = std::size_t{16} << 20;
constexpr int send_patience_ms = 1000;

error lost(literal what) { return error{errc::io, what, errno}; }

std::uint32_t length_of(std::byte const* head) {
  std::uint32_t length = 0;
  std::memcpy(&length, head, sizeof length);
  return length;
}

/// Descriptors go with the first byte.
ssize_t send_some(int socket, std::span<std::byte const> bytes, std::span<int const> descriptors) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::byte room[CMSG_SPACE(most_descriptors * sizeof(int))]{};
  if (!descriptors.empty()) {
    message.msg_control = room;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    auto* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

result<void> send_all(int descriptor, std::span<std::byte const> bytes, std::span<int const> descriptors) {
  while (!bytes.empty()) {
    auto const sent = send_some(descriptor, bytes, descriptors);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      descriptors = {};
      continue;
    }
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return lost("the control channel is closed");
    pollfd writable{descriptor, POLLOUT, 0};
    if (poll(&writable, 1, send_patience_ms) == 0) return lost("the control channel's reader stopped");
  }
  return {};
}

/// Reads what is there; descriptors that came with it are appended to `descriptors`.
ssize_t receive_some(int socket, std::span<std::byte> into, std::deque<owned_descriptor>& descriptors) {
  iovec part{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::byte room[CMSG_SPACE(most_descriptors * sizeof(int))];
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  auto const got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (auto* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    auto const count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t index = 0; index < count; ++index) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(head) + index * sizeof(int), sizeof(int));
      descriptors.emplace_back(descriptor);
    }
  }
  return got;
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

result<void> control_channel::send(control_type type, std::span<std::byte const> body,
                                   std::span<int const> descriptors) {
  if (descriptors.size() > most_descriptors)
    return error{errc::invalid_request, "too many descriptors for a frame",
                 static_cast<std::int64_t>(descriptors.size())};
  control_bytes frame(head_bytes + body.size());
  auto const length = static_cast<std::uint32_t>(head_bytes - 4 + body.size());
  std::memcpy(frame.data(), &length, sizeof length);
  frame[4] = static_cast<std::byte>(type);
  frame[5] = static_cast<std::byte>(descriptors.size());
  if (!body.empty()) std::memcpy(frame.data() + head_bytes, body.data(), body.size());
  std::scoped_lock guard(sending_);
  return send_all(descriptor_, frame, descriptors);
}

/// The frame that begins at `at`, whole; its descriptors came before its last byte.
result<control_frame> control_channel::take_frame(std::size_t at, std::size_t length) {
  auto const* const body = partial_.data() + at + head_bytes;
  control_frame frame{static_cast<control_type>(partial_[at + 4]), {body, body + length - (head_bytes - 4)}};
  auto const count = std::to_integer<std::size_t>(partial_[at + 5]);
  if (count > received_.size()) return error{errc::malformed, "a control frame lacks its descriptors", 0};
  for (std::size_t index = 0; index < count; ++index) {
    frame.descriptors.push_back(std::move(received_.front()));
    received_.pop_front();
  }
  return frame;
}

result<std::vector<control_frame>> control_channel::receive() {
  std::byte buffer[16384];
  bool open = true;
  for (;;) {
    auto const got = receive_some(descriptor_, buffer, received_);
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
    if (length < head_bytes - 4 || length > largest_frame_bytes)
      return error{errc::too_large, "a control frame's length", 0};
    if (partial_.size() - at < 4 + length) break;
    auto frame = take_frame(at, length);
    if (!frame) return frame.failure();
    frames.push_back(std::move(*frame));
    at += 4 + length;
  }
  auto const left = partial_.size() - at;
  if (at != 0) {
    std::memmove(partial_.data(), partial_.data() + at, left);
    wipe(partial_.data() + left, at);
    partial_.resize(left);
  }
  wipe(buffer, sizeof buffer);
  if (!open && frames.empty()) return lost("the control channel is closed");
  return frames;
}

} // namespace mayfly::node
