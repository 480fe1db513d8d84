#pragma once
// Two ends of a channel between ranks, without its encryption: a socket pair and a length before each
// message.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/secure_channel.hpp"

#include <memory>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace mayfly::testing {

class plain_channel final : public secure_channel {
public:
  explicit plain_channel(int descriptor) : descriptor_(descriptor) {}
  ~plain_channel() override { ::close(descriptor_); }

  result<bool> offer(std::span<std::byte const> message) override {
    auto const length = static_cast<std::uint32_t>(message.size());
    ephemeral_bytes frame;
    frame.append(std::as_bytes(std::span(&length, 1)));
    frame.append(message);
    auto const sent = ::send(descriptor_, frame.reveal().data(), frame.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(frame.size())) return true;
    return error{errc::worker_lost, "the channel is closed", 0};
  }
  result<bool> flush() override { return true; }

  result<std::optional<std::span<std::byte const>>> take() override {
    std::uint32_t length = 0;
    auto const got = ::recv(descriptor_, &length, sizeof length, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return std::optional<std::span<std::byte const>>();
    if (got != sizeof length || !read(std::as_writable_bytes(std::span(&length, 1)))) return closed();
    received_.resize(length);
    if (!read(received_.reveal())) return closed();
    return std::optional(std::span<std::byte const>(received_.reveal()));
  }

  std::size_t largest_message_bytes() const noexcept override { return std::size_t{1} << 20; }
  int descriptor() const noexcept override { return descriptor_; }
  void abort() noexcept override { ::shutdown(descriptor_, SHUT_RDWR); }
  void scrub() noexcept override { received_.resize(0); }

private:
  static error closed() { return {errc::worker_lost, "the channel is closed", 0}; }
  bool read(std::span<std::byte> into) const {
    return ::recv(descriptor_, into.data(), into.size(), MSG_WAITALL) == static_cast<ssize_t>(into.size());
  }

  int descriptor_;
  ephemeral_bytes received_;
};

inline std::pair<std::unique_ptr<secure_channel>, std::unique_ptr<secure_channel>> plain_channels() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {};
  return {std::make_unique<plain_channel>(ends[0]), std::make_unique<plain_channel>(ends[1])};
}

} // namespace mayfly::testing
