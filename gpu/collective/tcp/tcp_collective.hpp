#pragma once
// The collective of ranks on several hosts: a secure channel between each two of them. Small sums are sent to
// all, so that one message's time is all they take; larger ones of three ranks and more are summed a part at
// each rank and handed round (reduce-scatter, all-gather: Thakur et al., Optimization of Collective
// Communication Operations in MPICH, 2005), so that each link carries two parts instead of the whole.
#include "gpu/collective/collective.hpp"
#include "gpu/collective/tcp/exchange.hpp"

namespace mayfly::gpu {

struct tcp_options {
  std::uint32_t rank = 0;
  std::chrono::milliseconds patience{1500};         ///< for one operation
  std::chrono::microseconds spin{50};               ///< looking before sleeping: a sleep costs some 30 µs
  std::size_t direct_bytes = std::size_t{64} << 10; ///< up to which three ranks and more send all to all
};

/// `peers`: an open channel to each other rank, by rank, null at `options.rank`; their number is the group's
/// size. Errors: invalid_request (another shape; `number`: the rank; or a channel for messages of less than
/// 64 KiB).
result<std::unique_ptr<collective>> make_tcp_collective(tcp::channels peers, tcp_options const& options);

} // namespace mayfly::gpu
