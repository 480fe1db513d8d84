#pragma once
// Reads 16 rows of a weight as the first operand of an mma, and tokens as the second. A thread is lane 4 * g
// + t of its warp and holds rows g and g + 8. Which column stands where in an mma does not matter as long as
// both operands agree: so each lane reads columns that lie together, 16 bytes at a time.
#include "gpu/kernels/cuda/device.cuh"
#include "gpu/kernels/cuda/weight_layout.hpp"

namespace mayfly::gpu::cuda {

/// For constant `index`, after unrolling, a register.
__device__ __forceinline__ std::uint32_t word(uint4 const& of, unsigned index) {
  return index == 0 ? of.x : index == 1 ? of.y : index == 2 ? of.z : of.w;
}
__device__ __forceinline__ std::uint32_t byte(uint4 const& of, unsigned index) {
  return word(of, index / 4) >> (index % 4 * 8) & 0xFFU;
}
__device__ __forceinline__ std::uint32_t half(uint4 const& of, unsigned index) {
  return word(of, index / 2) >> (index % 2 * 16) & 0xFFFFU;
}

/// bf16 has eight bits of fraction: 128 + code is the code in its last seven. `offset`: a pair to add.
__device__ __forceinline__ std::uint32_t small_codes(std::uint32_t codes, std::uint32_t offset) {
  return bfloat_pair_sum(codes | 0x43004300U, offset);
}
/// A byte as a float: 2^23 + byte is the byte in a float's last bits.
__device__ __forceinline__ float byte_value(std::uint32_t byte) {
  return float_of(0x4B000000U | byte) - 8388608.0F;
}

/// Codes are small integers, which bf16 holds exactly; their scales multiply sums. Each reader has:
///   load        a superblock of rows g and g + 8
///   operand     a[4] of columns [16 * j, 16 * j + 16) of a block
///   scale       what multiplies those columns' sum, for row g (side 0) or g + 8 (side 1)
///   minimum     what a block subtracts for each unit of its tokens' sum
template <storage kind>
struct super_tile;

template <>
struct super_tile<storage::q8_0> {
  static constexpr bool has_minimum = false;
  static constexpr bool scales_halves = false; ///< each 16 columns have a scale of their own

  __device__ __forceinline__ void load(matrix_view const& matrix, std::size_t row, std::size_t super,
                                       unsigned t) {
#pragma unroll
    for (unsigned side = 0; side < 2; ++side) {
      auto const at = (row + side * 8) * matrix.stride + super;
#pragma unroll
      for (unsigned part = 0; part < 4; ++part)
        codes[side][part] = stream_16_bytes(matrix.codes + at * 256 + part * 64 + t * 16);
      scales[side] = stream_16_bytes(matrix.scales + at * 16);
    }
  }
  __device__ __forceinline__ std::uint32_t pair(unsigned side, unsigned block, unsigned index) const {
    auto const at = block % 2 * 8 + index * 2;
    return bfloat_pair(byte_value(byte(codes[side][block / 2], at)) - 128.0F,
                       byte_value(byte(codes[side][block / 2], at + 1)) - 128.0F);
  }
  __device__ __forceinline__ float scale(unsigned side, unsigned block, unsigned) const {
    return half_value(half(scales[side], block));
  }
  __device__ __forceinline__ float minimum(unsigned, unsigned) const { return 0; }

  uint4 codes[2][4];
  uint4 scales[2];
};

template <>
struct super_tile<storage::q4_k> {
  static constexpr bool has_minimum = true;
  static constexpr bool scales_halves = false;

  __device__ __forceinline__ void load(matrix_view const& matrix, std::size_t row, std::size_t super,
                                       unsigned t) {
#pragma unroll
    for (unsigned side = 0; side < 2; ++side) {
      auto const at = (row + side * 8) * matrix.stride + super;
#pragma unroll
      for (unsigned part = 0; part < 2; ++part)
        codes[side][part] = stream_16_bytes(matrix.codes + at * 128 + part * 64 + t * 16);
      scales[side] = stream_16_bytes(matrix.scales + at * 16);
      supers[side] = reinterpret_cast<std::uint32_t const*>(matrix.supers)[at];
    }
  }
  __device__ __forceinline__ std::uint32_t pair(unsigned side, unsigned block, unsigned index) const {
    return small_codes(word(codes[side][block / 4], block % 4) >> (index * 4) & 0x000F000FU, 0xC300C300U);
  }
  __device__ __forceinline__ float scale(unsigned side, unsigned block, unsigned) const {
    return rounded_product(half_value(supers[side]), static_cast<float>(byte(scales[side], block)));
  }
  __device__ __forceinline__ float minimum(unsigned side, unsigned block) const {
    return rounded_product(half_value(supers[side] >> 16U),
                           static_cast<float>(byte(scales[side], block + 8)));
  }

  uint4 codes[2][2];
  uint4 scales[2];
  std::uint32_t supers[2];
};

template <>
struct super_tile<storage::q6_k> {
  static constexpr bool has_minimum = false;
  static constexpr bool scales_halves = true;

  __device__ __forceinline__ void load(matrix_view const& matrix, std::size_t row, std::size_t super,
                                       unsigned t) {
#pragma unroll
    for (unsigned side = 0; side < 2; ++side) {
      auto const at = (row + side * 8) * matrix.stride + super;
#pragma unroll
      for (unsigned part = 0; part < 2; ++part)
        codes[side][part] = stream_16_bytes(matrix.codes + at * 128 + part * 64 + t * 16);
      high[side] = stream_16_bytes(matrix.high + at * 64 + t * 16);
      scales[side] = stream_16_bytes(matrix.scales + at * 16);
      supers[side] = reinterpret_cast<std::uint32_t const*>(matrix.supers)[at];
    }
  }
  __device__ __forceinline__ std::uint32_t pair(unsigned side, unsigned block, unsigned index) const {
    auto const low = word(codes[side][block / 4], block % 4) >> (index * 4) & 0x000F000FU;
    auto const top = word(high[side], block / 2) >> (block % 2 * 8 + index * 2) & 0x00030003U;
    return small_codes(low | top << 4U, 0xC320C320U); // -160: the code's own offset is 32
  }
  __device__ __forceinline__ float scale(unsigned side, unsigned block, unsigned j) const {
    auto const code = static_cast<float>(static_cast<std::int8_t>(byte(scales[side], block * 2 + j)));
    return rounded_product(half_value(supers[side]), code);
  }
  __device__ __forceinline__ float minimum(unsigned, unsigned) const { return 0; }

  uint4 codes[2][2];
  uint4 high[2];
  uint4 scales[2];
  std::uint32_t supers[2];
};

/// Tokens of a product: x[count][columns], read as floats.
struct token_rows {
  float const* x;
  std::uint32_t count;
  std::uint32_t columns;
  bool aligned; ///< every fourth column stands on 16 bytes
};

/// Columns [column, column + 4) of a token; zero beyond either end.
__device__ __forceinline__ float4 four_columns(token_rows const& tokens, std::uint32_t token,
                                               std::uint32_t column) {
  float4 values{0, 0, 0, 0};
  if (token >= tokens.count || column >= tokens.columns) return values;
  auto const* const from = tokens.x + std::size_t{token} * tokens.columns + column;
  if (tokens.aligned) return *reinterpret_cast<float4 const*>(from);
  auto const left = tokens.columns - column;
  values.x = from[0];
  if (left > 1) values.y = from[1];
  if (left > 2) values.z = from[2];
  if (left > 3) values.w = from[3];
  return values;
}

/// Four floats as two pairs of bf16 and what they leave out as two more: 16 bits of fraction together.
struct split_pairs {
  std::uint32_t near[2];
  std::uint32_t rest[2];
};
__device__ __forceinline__ split_pairs split(float4 const& values) {
  split_pairs parts;
  parts.near[0] = bfloat_pair(values.x, values.y);
  parts.near[1] = bfloat_pair(values.z, values.w);
  parts.rest[0] = bfloat_pair(values.x - low_bfloat(parts.near[0]), values.y - high_bfloat(parts.near[0]));
  parts.rest[1] = bfloat_pair(values.z - low_bfloat(parts.near[1]), values.w - high_bfloat(parts.near[1]));
  return parts;
}

} // namespace mayfly::gpu::cuda
