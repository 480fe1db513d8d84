#pragma once
// The collective of ranks on GPUs, by NCCL. It differs from the carriers on hosts in what it can promise:
// - Sums are added in NCCL's order. All ranks get the same bits; the same bits in each run only for the same
//   ranks, devices, links, sizes and NCCL version, with its algorithm and protocol left as they are.
// - It does not know which rank was lost: failure's `number` is -1, but for an own abort.
// - A rank that aborts or dies is seen by the others when NCCL sees it, else by the deadline.
#include "gpu/collective/collective.hpp"
#include "gpu/collective/nccl/library.hpp"
#include "gpu/kernels/backend.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace mayfly::gpu {

struct nccl_options {
  std::uint32_t rank = 0;
  std::uint32_t size = 1;
  nccl::unique_id id{}; ///< made anew for each group, by one process that lives until the group is formed
  /// For the stream to get done with what is on it after the last operation: longer than the longest step.
  std::chrono::milliseconds patience{1500};
  std::chrono::milliseconds forming{20'000};
  device_stream stream; ///< where operations go
  /// Asked while the group is being formed: true ends that. Empty: never.
  std::function<bool()> given_up;
  /// Called where NCCL hangs even when it is aborted. Empty: nothing.
  std::function<void()> on_hang;
  /// Device memory that is zero and stays so: what `scrub` sends. Half of it is the most of one operation.
  std::span<float> zeros;
};

/// Forms the group with the other ranks, which must do the same meanwhile. Errors: invalid_request (no such
/// rank, no zeros), backend_failed (NCCL refuses; `number`: its status), deadline_exceeded (ranks are
/// missing).
result<std::unique_ptr<collective>> make_nccl_collective(nccl::functions const& api, nccl_options options);

} // namespace mayfly::gpu
