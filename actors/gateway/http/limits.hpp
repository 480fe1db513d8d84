#pragma once
#include <chrono>
#include <cstddef>

namespace mayfly::actors::http {

/// Bounds of one connection, in bytes and time. No wait is without one.
struct connection_limits {
  std::size_t head_bytes = 16 * 1024;
  std::size_t body_bytes = std::size_t{4} << 20;
  std::chrono::milliseconds idle{std::chrono::seconds(60)};  ///< for a request's first byte
  std::chrono::milliseconds head{std::chrono::seconds(10)};  ///< from its first byte to the end of its head
  std::chrono::milliseconds body{std::chrono::seconds(30)};  ///< from there to the end of its body
  std::chrono::milliseconds write{std::chrono::seconds(30)}; ///< the peer may take nothing for this long
  std::chrono::milliseconds linger{std::chrono::seconds(2)}; ///< at the end: see `connection::finish`
  std::chrono::milliseconds acknowledge{
      std::chrono::seconds(5)}; ///< for the peer's TCP to take the last byte
};

} // namespace mayfly::actors::http
