// From rows of logits to tokens, without sorting: top-k and top-p are thresholds, found by radix selection
// over the tokens' order (largest logit first, lowest id where logits tie), eight bits a pass. Usual practice
// is rejection sampling (Chen et al., FlashInfer, 2025); selection takes one random number, a bounded number
// of passes, and gives exactly the sets that gpu/engine/sampler.hpp defines. Weights are integers of 36 bits
// below the largest, so sums do not depend on the order of threads: a draw is the same on every run. Tokens
// whose weight is below 2^-37 of the largest's are never drawn.
#include "gpu/kernels/cuda/device.cuh"
#include "gpu/kernels/cuda/kernels.hpp"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned draw_threads = 512;
constexpr unsigned bins = 256;
constexpr unsigned limb_bits = 12; // 2^20 tokens of 12 bits fit a word: native atomics, no 64-bit ones
constexpr unsigned limbs = 3;

using wide = unsigned long long;

/// What the threads of a block share.
struct draw_shared {
  std::uint32_t bin_counts[bins];
  std::uint32_t bin_limbs[limbs][bins];
  wide warps[draw_threads / warp_lanes];
  wide found;
  wide left;
  wide total;
  std::uint32_t settled; ///< nothing below the found bin's prefix needs telling apart
  std::uint32_t bad;
  std::int32_t chosen;
};

/// The order of tokens as one number: the greater, the sooner.
__device__ __forceinline__ wide rank_of(float logit, std::uint32_t token) {
  auto const bits = bits_of(logit == 0 ? 0.0F : logit); // both zeros tie
  auto const key = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return wide{key} << 32U | (0xFFFFFFFFU - token);
}
__device__ __forceinline__ std::uint32_t token_of(wide rank) {
  return 0xFFFFFFFFU - static_cast<std::uint32_t>(rank);
}

struct row_view {
  float const* logits;
  std::uint32_t vocabulary;
  float largest;
  float scale; ///< log2(e) / temperature

  __device__ __forceinline__ wide weight(float logit) const {
    return static_cast<wide>(llrintf(exponential2((logit - largest) * scale) * 68719476736.0F)); // 2^36
  }
};

/// The largest rank of the row, in every thread; shared.bad where the row is no distribution.
__device__ __forceinline__ wide best_of(float const* logits, std::uint32_t vocabulary, draw_shared& shared) {
  if (threadIdx.x == 0) shared.bad = 0;
  __syncthreads();
  wide best = 0;
  bool bad = false;
  for (std::uint32_t token = threadIdx.x; token < vocabulary; token += blockDim.x) {
    float const logit = logits[token];
    bad = bad || !(logit <= 3.402823466e38F); // NaN, infinity
    wide const rank = rank_of(logit, token);
    best = rank > best ? rank : best;
  }
  for (unsigned across = warp_lanes / 2; across > 0; across /= 2) {
    wide const other = __shfl_xor_sync(all_lanes, best, across);
    best = other > best ? other : best;
  }
  if (bad) shared.bad = 1;
  if (threadIdx.x % warp_lanes == 0) shared.warps[threadIdx.x / warp_lanes] = best;
  __syncthreads();
  for (unsigned warp = 0; warp < blockDim.x / warp_lanes; ++warp)
    best = shared.warps[warp] > best ? shared.warps[warp] : best;
  return best;
}

/// The sum over the block, in every thread.
__device__ __forceinline__ wide block_sum(wide mine, draw_shared& shared) {
  mine = warp_sum(mine);
  __syncthreads();
  if (threadIdx.x % warp_lanes == 0) shared.warps[threadIdx.x / warp_lanes] = mine;
  __syncthreads();
  wide total = 0;
  for (unsigned warp = 0; warp < blockDim.x / warp_lanes; ++warp) total += shared.warps[warp];
  return total;
}

__device__ __forceinline__ void empty_bins(draw_shared& shared) {
  for (unsigned bin = threadIdx.x; bin < bins; bin += blockDim.x) {
    shared.bin_counts[bin] = 0;
    for (unsigned limb = 0; limb < limbs; ++limb) shared.bin_limbs[limb][bin] = 0;
  }
}

__device__ __forceinline__ wide amount_in(draw_shared const& shared, unsigned bin) {
  wide amount = 0;
  for (unsigned limb = 0; limb < limbs; ++limb)
    amount += wide{shared.bin_limbs[limb][bin]} << (limb * limb_bits);
  return amount;
}

/// The first warp walks the bins from the greatest down, eight a lane, to the one in which `left` is reached;
/// leaves it in shared.found (bins where the sum never reaches it), what is still to be reached in
/// shared.left.
__device__ __forceinline__ void find_bin(draw_shared& shared, wide left) {
  if (threadIdx.x >= warp_lanes) return;
  unsigned const top = bins - 1 - threadIdx.x * (bins / warp_lanes);
  wide mine = 0;
  for (unsigned i = 0; i < bins / warp_lanes; ++i) mine += amount_in(shared, top - i);
  wide through = mine;
  for (unsigned below = 1; below < warp_lanes; below *= 2) {
    wide const before = __shfl_up_sync(all_lanes, through, below);
    if (threadIdx.x >= below) through += before;
  }
  auto const reached = __ballot_sync(all_lanes, through >= left);
  if (threadIdx.x == 0) shared.found = bins;
  __syncwarp();
  // The first lane that reached it: all below its bit have not.
  if (through < left || (reached & ((1U << threadIdx.x) - 1U)) != 0) return;
  wide still = left - (through - mine);
  unsigned bin = top;
  for (wide here = amount_in(shared, bin); here < still; here = amount_in(shared, bin)) {
    still -= here;
    --bin;
  }
  shared.found = bin;
  shared.left = still;
  shared.settled = shared.bin_counts[bin] == 1 || still == amount_in(shared, bin) ? 1 : 0;
}

enum class measure : std::uint8_t { tokens, weights };

/// The least rank of the smallest set of first tokens, none before `floor`, whose amounts reach `wanted`;
/// `floor` where all of them do not.
__device__ __forceinline__ wide threshold(row_view const& row, measure by, wide wanted, wide floor,
                                          draw_shared& shared) {
  wide prefix = 0;
  wide left = wanted;
  for (unsigned shift = 56;; shift -= 8) {
    empty_bins(shared); // last read before the barrier that ended the pass before
    __syncthreads();
    for (std::uint32_t token = threadIdx.x; token < row.vocabulary; token += blockDim.x) {
      wide const rank = rank_of(row.logits[token], token);
      if (rank < floor || (shift != 56 && rank >> (shift + 8) != prefix >> (shift + 8))) continue;
      auto const bin = static_cast<unsigned>(rank >> shift) % bins;
      wide const amount = by == measure::tokens ? 1 : row.weight(row.logits[token]);
      atomicAdd(&shared.bin_counts[bin], 1U);
      for (unsigned limb = 0; limb < limbs; ++limb) {
        // The last limb takes what is above: the largest weight is 2^36 itself.
        auto const part = static_cast<std::uint32_t>(amount >> (limb * limb_bits));
        auto const bits = limb + 1 < limbs ? part % (1U << limb_bits) : part;
        if (bits != 0) atomicAdd(&shared.bin_limbs[limb][bin], bits);
      }
    }
    __syncthreads();
    find_bin(shared, left);
    __syncthreads();
    if (shared.found == bins) return floor;
    prefix |= shared.found << shift;
    left = shared.left;
    bool const settled = shift == 0 || shared.settled != 0;
    if (settled) return prefix > floor ? prefix : floor;
  }
}

/// Draws among tokens of at least `floor` and `lightest`: each thread's tokens in turn, a fixed order.
__device__ __forceinline__ void draw_among(row_view const& row, wide floor, wide lightest, double share,
                                           draw_shared& shared) {
  auto const weight_of = [&](std::uint32_t token) {
    float const logit = row.logits[token];
    wide const weight = row.weight(logit);
    return rank_of(logit, token) >= floor && weight >= lightest ? weight : wide{0};
  };
  wide mine = 0;
  for (std::uint32_t token = threadIdx.x; token < row.vocabulary; token += blockDim.x)
    mine += weight_of(token);
  wide through = mine;
  unsigned const lane = threadIdx.x % warp_lanes;
  for (unsigned below = 1; below < warp_lanes; below *= 2) {
    wide const before = __shfl_up_sync(all_lanes, through, below);
    if (lane >= below) through += before;
  }
  __syncthreads();
  if (lane == warp_lanes - 1) shared.warps[threadIdx.x / warp_lanes] = through;
  __syncthreads();
  wide total = 0;
  wide before = 0;
  for (unsigned warp = 0; warp < blockDim.x / warp_lanes; ++warp) {
    if (warp < threadIdx.x / warp_lanes) before += shared.warps[warp];
    total += shared.warps[warp];
  }
  auto target = static_cast<wide>(share * static_cast<double>(total));
  if (target >= total) target = total - 1;
  before += through - mine;
  if (target < before || target >= before + mine) return;
  std::uint32_t token = threadIdx.x;
  for (before += weight_of(token); before <= target; before += weight_of(token)) token += blockDim.x;
  shared.chosen = static_cast<std::int32_t>(token);
}

/// A block a row.
__global__ void __launch_bounds__(512, 1)
    draw_tokens(float const* logits, std::uint32_t vocabulary, draw_row const* rows, token_id* chosen) {
  auto& shared = *shared_memory<draw_shared>();
  auto const asked = rows[blockIdx.x];
  auto const* const row_logits = logits + std::size_t{blockIdx.x} * vocabulary;
  wide const best = best_of(row_logits, vocabulary, shared);
  auto const likeliest = token_of(best);
  float const largest = row_logits[likeliest];
  if (shared.bad != 0 || !(largest >= -3.402823466e38F)) {
    if (threadIdx.x == 0) chosen[blockIdx.x] = -1;
    return;
  }
  if (asked.inverse_temperature == 0 || asked.top_k == 1) {
    if (threadIdx.x == 0) chosen[blockIdx.x] = static_cast<token_id>(likeliest);
    return;
  }
  row_view const row{row_logits, vocabulary, largest, asked.inverse_temperature * 1.4426950408889634F};
  wide floor = 0;
  if (asked.top_k > 0 && static_cast<std::uint32_t>(asked.top_k) < vocabulary)
    floor = threshold(row, measure::tokens, static_cast<wide>(asked.top_k), floor, shared);
  if (asked.top_p < 1) {
    wide kept = 0;
    for (std::uint32_t token = threadIdx.x; token < vocabulary; token += blockDim.x)
      if (rank_of(row_logits[token], token) >= floor) kept += row.weight(row_logits[token]);
    auto const wanted = static_cast<wide>(static_cast<double>(block_sum(kept, shared)) * asked.top_p);
    floor = threshold(row, measure::weights, wanted > 0 ? wanted : 1, floor, shared);
  }
  auto const lightest = static_cast<wide>(asked.min_p * 68719476736.0F);
  draw_among(row, floor, lightest, asked.share, shared);
  __syncthreads();
  if (threadIdx.x == 0) chosen[blockIdx.x] = shared.chosen;
}

} // namespace

void draw(device_queue& on, float const* logits, std::uint32_t vocabulary, draw_row const* rows,
          std::uint32_t count, token_id* chosen) {
  launch_size size;
  size.x = count;
  size.threads = draw_threads;
  size.shared_bytes = sizeof(draw_shared);
  launch(on, &draw_tokens, size, logits, vocabulary, rows, chosen);
}

} // namespace mayfly::gpu::cuda
