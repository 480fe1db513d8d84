// Products of Q8_0, Q4_K and Q6_K weights with up to sixteen tokens. Decode is bound by reading weights: each
// is read once, 16 bytes at a time, straight into registers; codes become bf16 integers (exact), tokens two
// bf16 each (16 bits of fraction), and an mma multiplies them; scales multiply its sums in f32.
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/product_sums.cuh"
#include "gpu/kernels/cuda/tiles.cuh"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned blocks_a_super = 8;

/// sums of sixteen rows and up to 8 * token_tiles tokens over one block of 32 columns.
template <storage kind, unsigned token_tiles>
__device__ __forceinline__ void add_block(super_tile<kind> const& tile, token_rows const& tokens,
                                          unsigned block, std::uint32_t column,
                                          float (&sums)[token_tiles][4]) {
  unsigned const g = threadIdx.x % warp_lanes / 4;
  float products[token_tiles][4] = {};
  float totals[token_tiles][4] = {}; // of the tokens alone: what minima multiply
#pragma unroll
  for (unsigned j = 0; j < 2; ++j) {
    std::uint32_t const a0 = tile.pair(0, block, j * 2);
    std::uint32_t const a1 = tile.pair(1, block, j * 2);
    std::uint32_t const a2 = tile.pair(0, block, j * 2 + 1);
    std::uint32_t const a3 = tile.pair(1, block, j * 2 + 1);
#pragma unroll
    for (unsigned n = 0; n < token_tiles; ++n) {
      auto const x = split(four_columns(tokens, n * 8 + g, column + j * 16));
      multiply_tiles<factor::bf16>(products[n], a0, a1, a2, a3, x.near[0], x.near[1]);
      multiply_tiles<factor::bf16>(products[n], a0, a1, a2, a3, x.rest[0], x.rest[1]);
      if constexpr (super_tile<kind>::has_minimum) {
        constexpr std::uint32_t ones = 0x3F803F80U;
        multiply_tiles<factor::bf16>(totals[n], ones, ones, ones, ones, x.near[0], x.near[1]);
        multiply_tiles<factor::bf16>(totals[n], ones, ones, ones, ones, x.rest[0], x.rest[1]);
      }
    }
    if (j == 0 && !super_tile<kind>::scales_halves) continue;
    float const scales[2] = {tile.scale(0, block, j), tile.scale(1, block, j)};
    float const minima[2] = {tile.minimum(0, block), tile.minimum(1, block)};
#pragma unroll
    for (unsigned n = 0; n < token_tiles; ++n) {
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        sums[n][i] += scales[i / 2] * products[n][i] - minima[i / 2] * totals[n][i];
        products[n][i] = 0;
      }
    }
  }
}

/// A block of threads takes sixteen rows; its warps share out the superblocks.
template <storage kind, unsigned token_tiles>
__global__ void __launch_bounds__(256)
    multiply_quantised(matrix_view matrix, token_rows tokens, float* out, bool adds) {
  unsigned const lane = threadIdx.x % warp_lanes;
  unsigned const warp = threadIdx.x / warp_lanes;
  unsigned const warps = blockDim.x / warp_lanes;
  unsigned const t = lane % 4;
  std::size_t const row = std::size_t{blockIdx.x} * row_granule + lane / 4;
  float sums[token_tiles][4] = {};
  for (std::uint32_t super = warp; super < matrix.stride; super += warps) {
    super_tile<kind> tile;
    tile.load(matrix, row, super, t);
#pragma unroll
    for (unsigned block = 0; block < blocks_a_super; ++block)
      add_block<kind, token_tiles>(tile, tokens, block, super * super_columns + block * 32 + t * 4, sums);
  }
  store_sums<token_tiles>(sums, matrix.rows, tokens.count, out, adds);
}

template <storage kind>
void start(device_queue& on, matrix_view const& matrix, token_rows const& tokens, float* out, bool adds) {
  auto const size = size_of_product(matrix.rows, matrix.stride, tokens.count);
  if (tokens.count <= 8)
    launch(on, &multiply_quantised<kind, 1>, size, matrix, tokens, out, adds);
  else
    launch(on, &multiply_quantised<kind, 2>, size, matrix, tokens, out, adds);
}

} // namespace

void multiply_few_quantised(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                            float* out, bool adds) {
  token_rows const rows{x, tokens, matrix.columns, stands_on_16_bytes(x, matrix.columns)};
  switch (matrix.kind) {
  case storage::q8_0:
    return start<storage::q8_0>(on, matrix, rows, out, adds);
  case storage::q4_k:
    return start<storage::q4_k>(on, matrix, rows, out, adds);
  default:
    return start<storage::q6_k>(on, matrix, rows, out, adds);
  }
}

} // namespace mayfly::gpu::cuda
