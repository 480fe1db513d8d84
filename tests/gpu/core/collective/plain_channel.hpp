#pragma once
// A channel that keeps the contract of secure_channel but for being secure: the engine's own tests know no
// cipher. A message is its length (4 bytes) and itself.
#include "protocol/base/secure_channel.hpp"
#include "protocol/base/wipe.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace mayfly::gpu::testing {

class plain_channel final : public secure_channel {
public:
  explicit plain_channel(int socket) : socket_(socket) {}
  plain_channel(plain_channel const&) = delete;
  plain_channel& operator=(plain_channel const&) = delete;
  ~plain_channel() override {
    scrub();
    close(socket_);
  }

  result<bool> offer(std::span<std::byte const> message) override {
    auto const empty = flush();
    if (!empty || unsent_.size() > largest_message_bytes()) return empty ? false : empty;
    auto const length = static_cast<std::uint32_t>(message.size());
    auto const head = std::as_bytes(std::span(&length, 1));
    unsent_.insert(unsent_.end(), head.begin(), head.end());
    unsent_.insert(unsent_.end(), message.begin(), message.end());
    auto const sent = flush();
    return sent ? true : sent;
  }

  result<bool> flush() override {
    while (!unsent_.empty()) {
      auto const sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) return false;
      if (sent < 0) return error{errc::worker_lost, "gone (errno)", errno};
      unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
    }
    return true;
  }

  result<std::optional<std::span<std::byte const>>> take() override {
    if (aborted_) return error{errc::cancelled, "aborted", 0};
    if (filled_ == wanted()) scrub();
    for (;;) {
      message_.resize(wanted());
      if (filled_ == wanted())
        return std::optional<std::span<std::byte const>>(std::span(message_).subspan(4));
      auto const got = recv(socket_, message_.data() + filled_, message_.size() - filled_, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return std::optional<std::span<std::byte const>>{};
      if (got <= 0) return error{errc::worker_lost, "gone (errno)", errno};
      filled_ += static_cast<std::size_t>(got);
      if (filled_ >= 4 && wanted() > 4 + largest_message_bytes())
        return error{errc::too_large, "no message", 0};
    }
  }

  std::size_t largest_message_bytes() const noexcept override { return std::size_t{64} << 10; }
  int descriptor() const noexcept override { return socket_; }
  void abort() noexcept override {
    aborted_ = true;
    shutdown(socket_, SHUT_RDWR);
  }
  void scrub() noexcept override {
    if (filled_ != wanted()) return; // a message that is still on its way
    wipe(message_.data(), message_.size());
    filled_ = 0;
  }

  /// What is left of messages here.
  std::span<std::byte const> kept() const noexcept { return message_; }

private:
  std::size_t wanted() const noexcept {
    if (filled_ < 4) return 4;
    std::uint32_t length = 0;
    std::memcpy(&length, message_.data(), 4);
    return 4 + std::size_t{length};
  }

  int socket_;
  std::atomic<bool> aborted_{false};
  std::vector<std::byte> unsent_;
  std::vector<std::byte> message_; ///< with its length
  std::size_t filled_ = 0;
};

} // namespace mayfly::gpu::testing
