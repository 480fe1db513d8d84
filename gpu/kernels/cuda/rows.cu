// What is done row by row: embedding, expansion of quantised rows, RMSNorm, SwiGLU, gathering.
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/tiles.cuh"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned row_threads = 256;

unsigned blocks_for(std::size_t units) {
  return static_cast<unsigned>((units + row_threads - 1) / row_threads);
}

__device__ __forceinline__ std::uint32_t read_word(std::uint8_t const* from) {
  return *reinterpret_cast<std::uint32_t const*>(from);
}

/// Where four columns of a superblock lie: see weight_layout.hpp.
struct four_place {
  std::size_t super; ///< counted over the whole matrix
  unsigned block;
  unsigned j;
  unsigned t;
};
__device__ __forceinline__ four_place place_of(matrix_view const& matrix, std::size_t row,
                                               std::uint32_t column) {
  unsigned const within = column % super_columns;
  return {row * matrix.stride + column / super_columns, within / 32, within % 32 / 16, within % 16 / 4};
}

/// The four codes as the file counts them, and their scale and minimum, rounded as the reference rounds.
struct four_codes {
  float codes[4];
  float scale;
  float minimum;
};

__device__ __forceinline__ four_codes read_q8(matrix_view const& matrix, four_place const& at) {
  auto const bytes =
      read_word(matrix.codes + at.super * 256 + at.block / 2 * 64 + at.t * 16 + at.block % 2 * 8 + at.j * 4);
  four_codes four{};
  for (unsigned i = 0; i < 4; ++i) four.codes[i] = static_cast<float>(bytes >> (i * 8) & 0xFFU) - 128.0F;
  four.scale = half_value(read_word(matrix.scales + at.super * 16 + at.block / 2 * 4) >> (at.block % 2 * 16));
  return four;
}

/// The low four bits of both k-quants, as integers.
__device__ __forceinline__ void read_nibbles(matrix_view const& matrix, four_place const& at,
                                             std::uint32_t (&codes)[4]) {
  auto const nibbles =
      read_word(matrix.codes + at.super * 128 + at.block / 4 * 64 + at.t * 16 + at.block % 4 * 4);
  for (unsigned i = 0; i < 4; ++i) codes[i] = nibbles >> ((at.j * 2 + i / 2) * 4 + i % 2 * 16) & 15U;
}

__device__ __forceinline__ four_codes read_q4(matrix_view const& matrix, four_place const& at) {
  std::uint32_t codes[4];
  read_nibbles(matrix, at, codes);
  auto const both = read_word(matrix.supers + at.super * 4);
  auto const* const scales = matrix.scales + at.super * 16 + at.block;
  four_codes four{};
  for (unsigned i = 0; i < 4; ++i) four.codes[i] = static_cast<float>(codes[i]);
  four.scale = rounded_product(half_value(both), static_cast<float>(scales[0]));
  four.minimum = rounded_product(half_value(both >> 16U), static_cast<float>(scales[8]));
  return four;
}

__device__ __forceinline__ four_codes read_q6(matrix_view const& matrix, four_place const& at) {
  std::uint32_t codes[4];
  read_nibbles(matrix, at, codes);
  auto const high = read_word(matrix.high + at.super * 64 + at.t * 16 + at.block / 2 * 4);
  four_codes four{};
  for (unsigned i = 0; i < 4; ++i) {
    auto const place = (at.block % 2 * 4 + at.j * 2 + i / 2) * 2 + i % 2 * 16;
    four.codes[i] = static_cast<float>(codes[i] | (high >> place & 3U) << 4U) - 32.0F;
  }
  auto const scale = static_cast<std::int8_t>(matrix.scales[at.super * 16 + at.block * 2 + at.j]);
  four.scale =
      rounded_product(half_value(read_word(matrix.supers + at.super * 4)), static_cast<float>(scale));
  return four;
}

__device__ __forceinline__ float4 multiplied_out(four_codes const& four) {
  auto const value = [&](unsigned i) {
    return rounded_difference(rounded_product(four.scale, four.codes[i]), four.minimum);
  };
  return {value(0), value(1), value(2), value(3)};
}

__device__ __forceinline__ float plain_value(matrix_view const& matrix, std::size_t at) {
  if (matrix.kind == storage::f32) return reinterpret_cast<float const*>(matrix.codes)[at];
  std::uint32_t const bits = reinterpret_cast<std::uint16_t const*>(matrix.codes)[at];
  return matrix.kind == storage::f16 ? half_value(bits) : low_bfloat(bits);
}

/// Columns [column, column + 4) of a row, exactly what formats/dequantise gives for the stored type.
__device__ __forceinline__ float4 four_weights(matrix_view const& matrix, std::size_t row,
                                               std::uint32_t column) {
  switch (matrix.kind) {
  case storage::q8_0:
    return multiplied_out(read_q8(matrix, place_of(matrix, row, column)));
  case storage::q4_k:
    return multiplied_out(read_q4(matrix, place_of(matrix, row, column)));
  case storage::q6_k:
    return multiplied_out(read_q6(matrix, place_of(matrix, row, column)));
  default: {
    auto const at = row * matrix.stride + column;
    return {plain_value(matrix, at), plain_value(matrix, at + 1), plain_value(matrix, at + 2),
            plain_value(matrix, at + 3)};
  }
  }
}

/// A block a token. Rows are filled up in memory, so that reading four columns never leaves one.
__global__ void embed_tokens(matrix_view table, token_id first, token_id const* tokens, float* out) {
  auto const row = std::int64_t{tokens[blockIdx.x]} - first;
  bool const here = row >= 0 && row < table.rows;
  auto* const to = out + std::size_t{blockIdx.x} * table.columns;
  for (std::uint32_t column = threadIdx.x * 4; column < table.columns; column += blockDim.x * 4) {
    float4 four{0, 0, 0, 0};
    if (here) four = four_weights(table, static_cast<std::size_t>(row), column);
    float const values[4] = {four.x, four.y, four.z, four.w};
    for (unsigned i = 0; i < 4 && column + i < table.columns; ++i) to[column + i] = values[i];
  }
}

/// A thread for every four columns; `stride` columns a row.
__global__ void expand_rows(matrix_view matrix, std::uint32_t first, std::uint32_t rows, std::uint16_t* out) {
  std::uint32_t const stride = matrix.stride * super_columns;
  std::size_t const unit = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  std::size_t const row = unit / (stride / 4);
  if (row >= rows) return;
  auto const column = static_cast<std::uint32_t>(unit % (stride / 4)) * 4;
  auto const four = four_weights(matrix, first + row, column);
  uint2 const pairs{bfloat_pair(four.x, four.y), bfloat_pair(four.z, four.w)};
  *reinterpret_cast<uint2*>(out + row * stride + column) = pairs;
}

/// A thread for every two columns of `out`.
__global__ void narrow_rows(float const* x, std::uint32_t tokens, std::uint32_t columns, number_format format,
                            std::uint16_t* out, std::uint32_t stride) {
  std::size_t const unit = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  std::size_t const token = unit / (stride / 2);
  if (token >= tokens) return;
  auto const column = static_cast<std::uint32_t>(unit % (stride / 2)) * 2;
  float const low = column < columns ? x[token * columns + column] : 0.0F;
  float const high = column + 1 < columns ? x[token * columns + column + 1] : 0.0F;
  auto const pair = format == number_format::bf16 ? bfloat_pair(low, high) : half_pair(low, high);
  *reinterpret_cast<std::uint32_t*>(out + token * stride + column) = pair;
}

/// A block a token. Each thread writes only what it alone has read twice: `out` may be `x`.
__global__ void normalise(float const* x, std::uint32_t width, float const* weight, float epsilon,
                          float* out) {
  auto* const sums = shared_memory<float>(); // one a warp
  auto const* const row = x + std::size_t{blockIdx.x} * width;
  float squares = 0;
  for (std::uint32_t i = threadIdx.x; i < width; i += blockDim.x) squares += row[i] * row[i];
  squares = warp_sum(squares);
  if (threadIdx.x % warp_lanes == 0) sums[threadIdx.x / warp_lanes] = squares;
  __syncthreads();
  float total = 0;
  for (unsigned warp = 0; warp < blockDim.x / warp_lanes; ++warp) total += sums[warp];
  float const norm = 1.0F / sqrtf(total / static_cast<float>(width) + epsilon);
  auto* const to = out + std::size_t{blockIdx.x} * width;
  for (std::uint32_t i = threadIdx.x; i < width; i += blockDim.x) to[i] = row[i] * norm * weight[i];
}

__global__ void gate_rows(float const* gates, float* up, std::size_t count) {
  std::size_t const i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  up[i] *= gates[i] / (1.0F + exponential(-gates[i]));
}

__global__ void gather_rows(float const* x, std::uint32_t width, std::uint32_t const* rows, float* out) {
  auto const* const from = x + std::size_t{rows[blockIdx.x]} * width;
  for (std::uint32_t i = threadIdx.x; i < width; i += blockDim.x)
    out[std::size_t{blockIdx.x} * width + i] = from[i];
}

/// A block for each of `rows`, no wider than their units.
launch_size row_size(std::uint32_t rows, std::uint32_t units) {
  launch_size size;
  size.x = rows;
  size.threads = units >= row_threads ? row_threads : (units + warp_lanes - 1) / warp_lanes * warp_lanes;
  return size;
}

} // namespace

void embed(device_queue& on, matrix_view const& table, token_id first, token_id const* tokens,
           std::uint32_t count, float* out) {
  launch(on, &embed_tokens, row_size(count, (table.columns + 3) / 4), table, first, tokens, out);
}

void expand(device_queue& on, matrix_view const& matrix, std::uint32_t first, std::uint32_t rows,
            std::uint16_t* out) {
  launch_size size;
  size.x = blocks_for(std::size_t{rows} * matrix.stride * (super_columns / 4));
  size.threads = row_threads;
  launch(on, &expand_rows, size, matrix, first, rows, out);
}

void narrow(device_queue& on, float const* x, std::uint32_t tokens, std::uint32_t columns,
            number_format format, std::uint16_t* out, std::uint32_t stride) {
  launch_size size;
  size.x = blocks_for(std::size_t{tokens} * (stride / 2));
  size.threads = row_threads;
  launch(on, &narrow_rows, size, x, tokens, columns, format, out, stride);
}

void rms_norm(device_queue& on, float const* x, std::uint32_t tokens, std::uint32_t width,
              float const* weight, float epsilon, float* out) {
  auto size = row_size(tokens, width);
  size.shared_bytes = size.threads / warp_lanes * sizeof(float);
  launch(on, &normalise, size, x, width, weight, epsilon, out);
}

void gate(device_queue& on, float const* gates, float* up, std::size_t count) {
  launch_size size;
  size.x = blocks_for(count);
  size.threads = row_threads;
  launch(on, &gate_rows, size, gates, up, count);
}

void gather(device_queue& on, float const* x, std::uint32_t width, std::uint32_t const* rows,
            std::uint32_t count, float* out) {
  launch(on, &gather_rows, row_size(count, width), x, width, rows, out);
}

} // namespace mayfly::gpu::cuda
