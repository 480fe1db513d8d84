#pragma once
// A connected stream socket (TCP or Unix) that never blocks and never raises SIGPIPE.
#include "protocol/base/clock.hpp"
#include "protocol/base/result.hpp"

#include <cstddef>
#include <span>
#include <utility>

namespace mayfly::cluster {

class stream_socket {
public:
  /// Takes the descriptor over, on failure too. Where it is TCP: no delay, and a host that is gone is given
  /// up within seconds. Errors: io (`number`: errno).
  static result<stream_socket> prepare(int descriptor);

  stream_socket(stream_socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  stream_socket& operator=(stream_socket&& other) noexcept {
    stream_socket moved(std::move(other));
    std::swap(descriptor_, moved.descriptor_);
    return *this;
  }
  ~stream_socket();

  int descriptor() const noexcept { return descriptor_; }

  /// How many bytes were taken or given; 0: none now. Errors: worker_lost (the peer closed, or is gone), io
  /// (`number`: errno).
  result<std::size_t> send(std::span<std::byte const> bytes) const noexcept;
  result<std::size_t> receive(std::span<std::byte> bytes) const noexcept;

  /// False once the deadline has passed.
  bool await_readable(deadline until) const noexcept;
  /// Ends the connection both ways; whoever waits at either end is woken. Any thread.
  void shut_down() const noexcept;

private:
  explicit stream_socket(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

} // namespace mayfly::cluster
