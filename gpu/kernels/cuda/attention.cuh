#pragma once
// What both attention kernels share: how a sequence is cut into splits, and how partial results lie.
#include "gpu/kernels/cuda/device.cuh"
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/kv_cache.cuh"

namespace mayfly::gpu::cuda {

/// Minus infinity, but that differences of two stay numbers.
inline constexpr float lowest_score = -1e30F;

struct attention_arguments {
  float const* q = nullptr;
  float* out = nullptr;
  float* partials =
      nullptr; ///< [splits][token][head][head_dim + 2]: sums, their weights' sum, the largest score
  step_view step;
  kv_view kv;
  std::uint32_t heads = 0;
  std::uint32_t splits = 1;
  float scale = 0; ///< of scores, in units of log2: scale / ln 2
};

/// Positions [begin, end) of `length` that belong to a split. A split is whole tiles of 16 positions.
struct position_range {
  std::uint32_t begin;
  std::uint32_t end;
};
__device__ __forceinline__ position_range part_of(std::uint32_t length, std::uint32_t split,
                                                  std::uint32_t splits) {
  std::uint32_t const tiles = (length + 15) / 16;
  std::uint32_t const begin = tiles * split / splits * 16;
  std::uint32_t const end = tiles * (split + 1) / splits * 16;
  return {begin, end < length ? end : length};
}

__device__ __forceinline__ float* partial_of(attention_arguments const& all, std::uint32_t split,
                                             std::uint32_t token, std::uint32_t head) {
  std::size_t const row = (std::size_t{split} * all.step.token_count + token) * all.heads + head;
  return all.partials + row * (all.kv.head_dim + 2);
}

void start_tiles(device_queue& on, attention_arguments const& all);
void start_plain(device_queue& on, attention_arguments const& all);

} // namespace mayfly::gpu::cuda
