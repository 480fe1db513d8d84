#pragma once
// Runs a grid of blocks on one thread of the machine. Every thread of a block is a fiber that runs until it
// waits for others: at a barrier of the block, or at a collective of its warp. Who goes on next is drawn by
// lot or is who became ready last (one warp then gets far ahead), and shared memory starts as 0xFF (NaN in
// every float format), so that a result that depends on a missing barrier comes out wrong. What hardware
// leaves undefined, or hangs on, ends in a `fault`.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>

namespace mayfly::gpu::emulation {

/// A kernel broke a rule of the machine. The text names rule and place.
class fault : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// As CUDA's dim3.
struct index3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

struct launch_shape {
  index3 grid;
  unsigned threads = 32; ///< a block's; a multiple of 32, at most 1024
  std::size_t shared_bytes = 0;
};

/// Runs `kernel` for every thread of the grid, blocks one after another. Throws `fault`; the stacks of the
/// block's other threads are then abandoned, so kernels own nothing that a destructor would free. Not
/// re-entrant.
void run_grid(launch_shape const& shape, std::function<void()> const& kernel);

/// The order of threads is drawn from this. One seed for every launch until the next call; 0 is the start.
void seed_order(std::uint64_t seed) noexcept;

// What the running thread of a kernel may ask.
index3 thread_index() noexcept;
index3 block_index() noexcept;
index3 block_size() noexcept;
index3 grid_size() noexcept;
std::byte* shared_bytes() noexcept;

/// __syncthreads: every thread of the block, at the same place of the source, none ended before.
void meet_block(std::source_location where);

/// A meeting of the lanes in `mask` of one warp, all at the same place of the source. Each brings `bytes`
/// bytes (at most 64); the last to come runs `work` over all 32 lanes' bytes at once, `bytes` apart, then
/// each takes its own back. `work` may be null.
void meet_warp(std::uint32_t mask, void* brought, std::size_t bytes,
               void (*work)(void* lanes, std::uint32_t mask), std::source_location where);

} // namespace mayfly::gpu::emulation
