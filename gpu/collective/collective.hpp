#pragma once
// What the ranks of a tensor-parallel group do together within a step (Shoeybi et al., Megatron-LM, 2019).
// One implementation a carrier, all held to tests/gpu/core/collective. Addresses are device addresses, as in
// kernels/backend.hpp. All ranks call the same operations in the same order; operations are enqueued, and
// `poll` tells what became of them. After a failure every operation does nothing: the group is formed anew.
#include "protocol/base/result.hpp"

#include <span>

namespace mayfly::gpu {

enum class collective_state : std::uint8_t { ok, in_progress, failed };

class collective {
public:
  virtual ~collective() = default;

  virtual std::uint32_t rank() const noexcept = 0;
  virtual std::uint32_t size() const noexcept = 0;

  /// data[count] becomes its sum over the ranks, added in the order of ranks: the same bits on each rank, in
  /// each run. (NCCL adds in an order of its own: nccl/nccl_collective.hpp.) `count` is the same on all.
  virtual void all_reduce(float* data, std::size_t count) = 0;

  /// At rank 0: out[rows][sum of widths], each row the ranks' own[rows][widths[rank]] side by side in their
  /// order. The others give theirs alone; their `out` may be null and is left as it is.
  virtual void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                              float* out) = 0;

  /// ok: all that was enqueued is done. failed: for good; see `failure`.
  virtual collective_state poll() noexcept = 0;

  /// Errors: worker_lost (a rank ended, hung past the deadline, or aborted; `number`: its rank,
  /// -1 where the carrier cannot tell).
  virtual result<void> failure() const noexcept = 0;

  /// Fails the group on every rank, what is under way and all that follows. Any thread; again does nothing.
  virtual void abort() noexcept = 0;

  /// Erases what buffers keep of earlier operations; an operation of the group like the others.
  virtual void scrub() = 0;
};

} // namespace mayfly::gpu
