#pragma once
#include <cstdint>
#include <optional>

namespace mayfly::actors::http {

/// What the kernel knows of a TCP connection's sending side, in bytes of the TCP stream.
struct tcp_queue {
  std::uint64_t acknowledged_bytes = 0;   ///< since the connection began
  std::uint64_t unacknowledged_bytes = 0; ///< handed to the kernel and not acknowledged (SIOCOUTQ)
};

/// Nothing if the descriptor is no TCP connection, or one that has ended.
std::optional<tcp_queue> read_tcp_queue(int descriptor) noexcept;

} // namespace mayfly::actors::http
