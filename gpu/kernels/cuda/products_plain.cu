// Products of bf16, f16 and f32 weights with up to sixteen tokens: see products_quantised.cu. An f16 weight
// is two bf16, exactly; tokens are two bf16 each. F32 weights are multiplied in f32 without an mma, which
// would round them.
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/product_sums.cuh"
#include "gpu/kernels/cuda/tiles.cuh"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned part_columns = column_granule; // of a warp's turn
constexpr unsigned part_blocks = part_columns / 32;

/// Two f16 as two bf16 and the rest as two more.
__device__ __forceinline__ void split_halves(std::uint32_t pair, std::uint32_t& near, std::uint32_t& rest) {
  float const low = half_value(pair);
  float const high = half_value(pair >> 16U);
  near = bfloat_pair(low, high);
  rest = bfloat_pair(low - low_bfloat(near), high - high_bfloat(near));
}

template <storage kind>
__device__ __forceinline__ void multiply_pairs(float (&sums)[4], std::uint32_t const (&a)[4],
                                               split_pairs const& x) {
  if constexpr (kind == storage::bf16) {
    multiply_tiles<factor::bf16>(sums, a[0], a[1], a[2], a[3], x.near[0], x.near[1]);
    multiply_tiles<factor::bf16>(sums, a[0], a[1], a[2], a[3], x.rest[0], x.rest[1]);
  } else {
    std::uint32_t near[4];
    std::uint32_t rest[4];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) split_halves(a[i], near[i], rest[i]);
    multiply_tiles<factor::bf16>(sums, near[0], near[1], near[2], near[3], x.near[0], x.near[1]);
    multiply_tiles<factor::bf16>(sums, near[0], near[1], near[2], near[3], x.rest[0], x.rest[1]);
    multiply_tiles<factor::bf16>(sums, rest[0], rest[1], rest[2], rest[3], x.near[0], x.near[1]);
  }
}

/// Lane 4 * g + t reads eight columns of rows g and g + 8 in each block of 32, from column 8 * t on.
template <storage kind, unsigned token_tiles>
__global__ void __launch_bounds__(256)
    multiply_plain(matrix_view matrix, token_rows tokens, float* out, bool adds) {
  unsigned const lane = threadIdx.x % warp_lanes;
  unsigned const g = lane / 4;
  unsigned const t = lane % 4;
  std::size_t const row = std::size_t{blockIdx.x} * row_granule + g;
  auto const* const above = matrix.codes + row * matrix.stride * 2;
  auto const* const below = above + std::size_t{8} * matrix.stride * 2;
  float sums[token_tiles][4] = {};
  unsigned const warps = blockDim.x / warp_lanes;
  for (std::uint32_t part = threadIdx.x / warp_lanes; part < matrix.stride / part_columns; part += warps) {
    uint4 rows[2][part_blocks];
    std::uint32_t const column = part * part_columns + t * 8;
#pragma unroll
    for (unsigned block = 0; block < part_blocks; ++block) {
      rows[0][block] = stream_16_bytes(above + (column + block * 32) * 2);
      rows[1][block] = stream_16_bytes(below + (column + block * 32) * 2);
    }
#pragma unroll
    for (unsigned step = 0; step < part_blocks * 2; ++step) {
      unsigned const block = step / 2;
      unsigned const j = step % 2;
      std::uint32_t const a[4] = {word(rows[0][block], j * 2), word(rows[1][block], j * 2),
                                  word(rows[0][block], j * 2 + 1), word(rows[1][block], j * 2 + 1)};
#pragma unroll
      for (unsigned n = 0; n < token_tiles; ++n)
        multiply_pairs<kind>(sums[n], a, split(four_columns(tokens, n * 8 + g, column + block * 32 + j * 4)));
    }
  }
  store_sums<token_tiles>(sums, matrix.rows, tokens.count, out, adds);
}

constexpr unsigned float_tokens = 8; // that a warp takes at once
constexpr unsigned float_rows = 8;   // of a block: one a warp

/// A warp takes one row and eight tokens.
__global__ void __launch_bounds__(256)
    multiply_floats(matrix_view matrix, token_rows tokens, float* out, bool adds) {
  unsigned const lane = threadIdx.x % warp_lanes;
  std::size_t const row = std::size_t{blockIdx.x} * float_rows + threadIdx.x / warp_lanes;
  unsigned const first = blockIdx.y * float_tokens;
  auto const* const weights = reinterpret_cast<float const*>(matrix.codes) + row * matrix.stride;
  float sums[float_tokens] = {};
  for (std::uint32_t column = lane * 4; column < matrix.columns; column += warp_lanes * 4) {
    auto const w = stream_16_bytes(weights + column);
#pragma unroll
    for (unsigned n = 0; n < float_tokens; ++n) {
      auto const x = four_columns(tokens, first + n, column);
      sums[n] += float_of(w.x) * x.x + float_of(w.y) * x.y + float_of(w.z) * x.z + float_of(w.w) * x.w;
    }
  }
#pragma unroll
  for (unsigned n = 0; n < float_tokens; ++n) {
    float const total = warp_sum(sums[n]);
    if (lane != 0 || row >= matrix.rows || first + n >= tokens.count) continue;
    auto& place = out[std::size_t{first + n} * matrix.rows + row];
    place = adds ? place + total : total;
  }
}

template <storage kind>
void start(device_queue& on, matrix_view const& matrix, token_rows const& tokens, float* out, bool adds) {
  auto const size = size_of_product(matrix.rows, matrix.stride / part_columns, tokens.count);
  if (tokens.count <= 8)
    launch(on, &multiply_plain<kind, 1>, size, matrix, tokens, out, adds);
  else
    launch(on, &multiply_plain<kind, 2>, size, matrix, tokens, out, adds);
}

} // namespace

void multiply_few_plain(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                        float* out, bool adds) {
  token_rows const rows{x, tokens, matrix.columns, stands_on_16_bytes(x, matrix.columns)};
  if (matrix.kind == storage::bf16) return start<storage::bf16>(on, matrix, rows, out, adds);
  if (matrix.kind == storage::f16) return start<storage::f16>(on, matrix, rows, out, adds);
  launch_size size;
  size.x = (matrix.rows + float_rows - 1) / float_rows;
  size.y = (tokens + float_tokens - 1) / float_tokens;
  size.threads = float_rows * warp_lanes;
  launch(on, &multiply_floats, size, matrix, rows, out, adds);
}

void multiply_few(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                  float* out, bool adds) {
  if (is_quantised(matrix.kind)) return multiply_few_quantised(on, matrix, x, tokens, out, adds);
  multiply_few_plain(on, matrix, x, tokens, out, adds);
}

} // namespace mayfly::gpu::cuda
