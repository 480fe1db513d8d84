#include "protocol/base/secure_channel.hpp"

#include <cerrno>
#include <poll.h>

namespace mayfly {
namespace {

/// False once the deadline has passed. What the socket's state is, its reader and writer find out.
bool wait_for(int descriptor, short events, deadline until) noexcept {
  auto const left = until - boot_clock::now();
  if (left.count() <= 0) return false;
  auto const seconds = std::chrono::floor<std::chrono::seconds>(left);
  timespec const time{static_cast<std::time_t>(seconds.count()),
                      static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
  pollfd waiting{descriptor, events, 0};
  return ::ppoll(&waiting, 1, &time, nullptr) > 0 || boot_clock::now() < until;
}

constexpr error too_late{errc::deadline_exceeded, "the peer of a channel is too slow", 0};

} // namespace

result<void> secure_channel::send(std::span<std::byte const> message, deadline until) {
  for (;;) {
    auto const taken = offer(message);
    if (!taken) return taken.failure();
    if (*taken) break;
    if (!wait_for(descriptor(), POLLOUT, until)) return too_late;
  }
  for (;;) {
    auto const empty = flush();
    if (!empty) return empty.failure();
    if (*empty) return {};
    if (!wait_for(descriptor(), POLLOUT, until)) return too_late;
  }
}

result<std::span<std::byte const>> secure_channel::receive(deadline until) {
  for (;;) {
    auto const taken = take();
    if (!taken) return taken.failure();
    if (*taken) return **taken;
    if (!wait_for(descriptor(), POLLIN, until)) return too_late;
  }
}

} // namespace mayfly
