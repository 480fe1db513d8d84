#pragma once
// Products of activations with one group of 16 rows, in terms of the lanes of the file that includes this.
// Sums inside a block of 32 columns are integers, hence exact in any order; blocks are added in float in
// ascending order. The offset of unsigned codes goes into the integers' start value.
#include "gpu/kernels/cpu/kernel_table.hpp"

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t prefetch_bytes = 6 * 1024;

template <packing Kind>
struct traits {
  static constexpr packing_layout sizes = layout_of(Kind);
  static constexpr bool eight_bits = Kind == packing::q8;
  static constexpr bool five_bits = sizes.codes == 320;
  static constexpr bool six_bits = Kind == packing::q6_k;
  static constexpr bool part_scales = Kind == packing::q4_k || Kind == packing::q5_k;
  static constexpr bool has_min = sizes.scales == 64 || part_scales;
  /// log2 of the offset to take off, -1 for none.
  static constexpr int offset_bits = eight_bits            ? (signed_bytes ? -1 : 7)
                                     : Kind == packing::q4 ? 3
                                     : Kind == packing::q5 ? 4
                                     : six_bits            ? 5
                                                           : -1;
};

inline std::uint16_t const* halves(std::byte const* from) {
  return reinterpret_cast<std::uint16_t const*>(from);
}

// Moves bit V of each byte to bit 4.
template <int V>
inline u8x64 fifth_bit(u8x64 upper) {
  return keep_bits(shift_bits<4 - V>(upper), 0x10);
}
// Moves bits 2V and 2V + 1 of each byte to bits 4 and 5.
template <int V>
inline u8x64 upper_two_bits(u8x64 upper) {
  return keep_bits(shift_bits<4 - 2 * V>(upper), 0x30);
}

template <packing Kind, int V>
inline void load_code_pair(std::byte const* block, u8x64 (&w)[8]) {
  using kind = traits<Kind>;
  auto const nibbles = load_bytes(block + 64 * V);
  w[V] = keep_bits(nibbles, 15);
  w[V + 4] = keep_bits(shift_bits<-4>(nibbles), 15);
  if constexpr (kind::five_bits) {
    auto const upper = load_bytes(block + 256);
    w[V] = merge_bits(w[V], fifth_bit<V>(upper));
    w[V + 4] = merge_bits(w[V + 4], fifth_bit<V + 4>(upper));
  } else if constexpr (kind::six_bits) {
    w[V] = merge_bits(w[V], upper_two_bits<V>(load_bytes(block + 256)));
    w[V + 4] = merge_bits(w[V + 4], upper_two_bits<V>(load_bytes(block + 320)));
  }
}

template <packing Kind>
inline void load_codes(std::byte const* block, u8x64 (&w)[8]) {
  if constexpr (traits<Kind>::eight_bits) {
    for (std::size_t v = 0; v < 8; ++v) w[v] = load_bytes(block + 64 * v);
  } else {
    load_code_pair<Kind, 0>(block, w);
    load_code_pair<Kind, 1>(block, w);
    load_code_pair<Kind, 2>(block, w);
    load_code_pair<Kind, 3>(block, w);
  }
}

/// What turns a block's integers into floats. `second` is the scale of columns 16-31 where it differs.
struct block_scales {
  f32x16 scale;
  f32x16 second;
  f32x16 addend;
};

template <packing Kind>
inline block_scales load_scales(std::byte const* scales, std::byte const* super) {
  using kind = traits<Kind>;
  block_scales out{zero(), zero(), zero()};
  if constexpr (kind::six_bits) {
    auto const whole = load_half(halves(super));
    out.scale = multiply(whole, load_s8(scales));
    out.second = multiply(whole, load_s8(scales + 16));
  } else if constexpr (kind::part_scales) {
    out.scale = multiply(load_half(halves(super)), load_u8(scales));
    out.addend = subtract(zero(), multiply(load_half(halves(super + 32)), load_u8(scales + 16)));
  } else {
    out.scale = load_half(halves(scales));
    if constexpr (kind::has_min) out.addend = load_half(halves(scales + 32));
  }
  return out;
}

template <packing Kind>
inline i32x16 dot_code(i32x16 sum, u8x64 const& w, std::int8_t const* x) {
  if constexpr (traits<Kind>::eight_bits)
    return dot_wide(sum, w, x);
  else
    return dot(sum, w, x);
}

/// A block of a tile: bytes [16][Width][4], the high ones first; numbers [5][Width].
template <std::size_t Width>
struct tile_block {
  std::int8_t const* bytes;
  std::byte const* numbers;

  float number(std::size_t row, std::size_t token) const {
    float value = 0;
    std::memcpy(&value, numbers + (row * Width + token) * 4, sizeof value);
    return value;
  }
  std::int32_t correction(std::size_t row, std::size_t token) const {
    std::int32_t value = 0;
    std::memcpy(&value, numbers + ((row + 2) * Width + token) * 4, sizeof value);
    return value;
  }
};

template <packing Kind, std::size_t Width>
inline i32x16 start_value(tile_block<Width> const& x, std::size_t row, std::size_t token) {
  if constexpr (traits<Kind>::offset_bits < 0)
    return zero_int();
  else
    return shift_left<traits<Kind>::offset_bits>(broadcast_int(x.correction(row, token)));
}

// Columns 4 First .. 4 First + 15: the sum of the high bytes' products, times 255, plus the low ones' and
// what the codes' offset takes off. At most 255 * 32512 * 16 in magnitude, and as much again for the other
// half.
template <packing Kind, std::size_t Width, std::size_t First>
inline i32x16 half_block(u8x64 const (&w)[8], tile_block<Width> const& x, std::size_t token) {
  auto const* const bytes = x.bytes + (First * Width + token) * 4;
  auto high = zero_int();
  auto low = zero_int();
  if constexpr (traits<Kind>::six_bits)
    low = start_value<Kind, Width>(x, First == 0 ? 1 : 2, token);
  else if constexpr (First == 0)
    low = start_value<Kind, Width>(x, 0, token);
  for (std::size_t v = 0; v < 4; ++v) {
    high = dot_code<Kind>(high, w[First + v], bytes + v * Width * 4);
    low = dot_code<Kind>(low, w[First + v], bytes + (v + 8) * Width * 4);
  }
  return add_int(times_255(high), low);
}

template <packing Kind, std::size_t Width>
inline f32x16 add_block(f32x16 sum, u8x64 const (&w)[8], block_scales const& scales,
                        tile_block<Width> const& x, std::size_t token) {
  using kind = traits<Kind>;
  auto const first = half_block<Kind, Width, 0>(w, x, token);
  auto const second = half_block<Kind, Width, 4>(w, x, token);
  auto const step = broadcast(x.number(0, token));
  if constexpr (kind::six_bits) {
    sum = multiply_add(to_float(first), multiply(scales.scale, step), sum);
    return multiply_add(to_float(second), multiply(scales.second, step), sum);
  } else {
    sum = multiply_add(to_float(add_int(first, second)), multiply(scales.scale, step), sum);
    if constexpr (kind::has_min) sum = multiply_add(scales.addend, broadcast(x.number(1, token)), sum);
    return sum;
  }
}

template <packing Kind>
inline void prefetch_block(std::byte const* codes, std::byte const* scales) {
  for (std::size_t line = 0; line < traits<Kind>::sizes.codes; line += 64) {
    prefetch(codes + prefetch_bytes + line);
  }
  prefetch(scales + prefetch_bytes);
}

template <packing Kind, std::size_t Width>
void multiply_group(group_pointers const& group, std::size_t blocks, std::byte const* tile, float* out) {
  constexpr auto sizes = traits<Kind>::sizes;
  f32x16 sums[Width];
  for (auto& sum : sums) sum = zero();
  auto const* const numbers = tile + blocks * tile_code_bytes * Width;
  for (std::size_t block = 0; block < blocks; ++block) {
    auto const* const codes = group.codes + block * sizes.codes;
    auto const* const scales_at = group.scales + block * sizes.scales;
    if constexpr (Width <= 2) prefetch_block<Kind>(codes, scales_at);
    u8x64 w[8];
    load_codes<Kind>(codes, w);
    auto const scales = load_scales<Kind>(scales_at, group.supers + block / super_blocks * sizes.supers);
    tile_block<Width> const x{reinterpret_cast<std::int8_t const*>(tile) + block * tile_code_bytes * Width,
                              numbers + block * tile_number_bytes * Width};
#pragma GCC unroll 8
    for (std::size_t token = 0; token < Width; ++token) {
      sums[token] = add_block<Kind, Width>(sums[token], w, scales, x, token);
    }
  }
  for (std::size_t token = 0; token < Width; ++token) store(out + token * group_rows, sums[token]);
}

template <packing Kind>
inline f32x16 load_column(std::byte const* group, std::size_t column) {
  auto const* const at = group + column * layout_of(Kind).codes;
  if constexpr (Kind == packing::f32)
    return load(reinterpret_cast<float const*>(at));
  else if constexpr (Kind == packing::f16)
    return load_half(halves(at));
  else
    return load_bfloat(halves(at));
}

// Four sums a token, column c into sum c % 4: one alone would wait for itself.
template <packing Kind, std::size_t Tokens>
void multiply_float_group(group_pointers const& group, std::size_t columns, float const* x,
                          std::size_t stride, float* out) {
  f32x16 sums[Tokens][4];
  for (auto& token : sums) {
    for (auto& sum : token) sum = zero();
  }
  std::size_t column = 0;
  for (; column + 4 <= columns; column += 4) {
#pragma GCC unroll 4
    for (std::size_t part = 0; part < 4; ++part) {
      auto const w = load_column<Kind>(group.codes, column + part);
#pragma GCC unroll 4
      for (std::size_t token = 0; token < Tokens; ++token) {
        sums[token][part] = multiply_add(w, broadcast(x[token * stride + column + part]), sums[token][part]);
      }
    }
  }
  for (; column < columns; ++column) {
    auto const w = load_column<Kind>(group.codes, column);
    for (std::size_t token = 0; token < Tokens; ++token) {
      auto& sum = sums[token][column % 4];
      sum = multiply_add(w, broadcast(x[token * stride + column]), sum);
    }
  }
  for (std::size_t token = 0; token < Tokens; ++token) {
    auto const& part = sums[token];
    store(out + token * group_rows, add(add(part[0], part[1]), add(part[2], part[3])));
  }
}

} // namespace
} // namespace mayfly::gpu::cpu
