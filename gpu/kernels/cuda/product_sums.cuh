#pragma once
// How the products of few tokens are laid over blocks of threads, and how their sums come together. Which
// warp adds what depends on the matrix alone: a token's result is the same to the bit beside any others.
#include "gpu/kernels/cuda/device.cuh"
#include "gpu/kernels/cuda/weight_layout.hpp"

namespace mayfly::gpu::cuda {

inline constexpr unsigned most_product_warps = 8;

/// Threads for `rows`, a block for every sixteen, their columns in `parts`.
inline launch_size size_of_product(std::uint32_t rows, std::uint32_t parts, std::uint32_t tokens) {
  launch_size size;
  unsigned const warps = parts < most_product_warps ? parts : most_product_warps;
  size.x = (rows + row_granule - 1) / row_granule;
  size.threads = warps * warp_lanes;
  size.shared_bytes = std::size_t{warps} * (tokens <= 8 ? 1 : 2) * 4 * warp_lanes * sizeof(float);
  return size;
}

inline bool stands_on_16_bytes(float const* x, std::uint32_t columns) {
  return columns % 4 == 0 && reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
}

/// Adds the warps' sums (an mma's fragments, see multiply_tiles) in their order and writes or adds them to
/// out[tokens][rows].
template <unsigned token_tiles>
__device__ __forceinline__ void store_sums(float const (&sums)[token_tiles][4], std::uint32_t rows,
                                           std::uint32_t tokens, float* out, bool adds) {
  constexpr unsigned entries = token_tiles * 4 * warp_lanes;
  auto* const shared = shared_memory<float>(); // [warp][token tile][i][lane]
  unsigned const lane = threadIdx.x % warp_lanes;
  unsigned const warp = threadIdx.x / warp_lanes;
  unsigned const warps = blockDim.x / warp_lanes;
#pragma unroll
  for (unsigned n = 0; n < token_tiles; ++n)
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) shared[warp * entries + (n * 4 + i) * warp_lanes + lane] = sums[n][i];
  __syncthreads();
  for (unsigned entry = threadIdx.x; entry < entries; entry += blockDim.x) {
    unsigned const owner = entry % warp_lanes;
    unsigned const i = entry / warp_lanes % 4;
    unsigned const token = entry / warp_lanes / 4 * 8 + owner % 4 * 2 + i % 2;
    unsigned const row = blockIdx.x * row_granule + owner / 4 + i / 2 * 8;
    if (token >= tokens || row >= rows) continue;
    float total = 0;
    for (unsigned each = 0; each < warps; ++each) total += shared[each * entries + entry];
    auto& place = out[std::size_t{token} * rows + row];
    place = adds ? place + total : total;
  }
}

} // namespace mayfly::gpu::cuda
