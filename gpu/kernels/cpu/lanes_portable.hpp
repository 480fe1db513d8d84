#pragma once
// Sixteen lanes in plain C++, for machines without AVX2: the meaning of what lanes_avx2.hpp and
// lanes_avx512.hpp do in instructions.
#include "gpu/formats/half.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

struct f32x16 {
  float v[16];
};
struct i32x16 {
  std::int32_t v[16];
};
struct u8x64 {
  std::uint8_t v[64];
};

/// True where 8-bit weights enter `dot` as signed numbers: no correction for their offset then.
constexpr bool signed_bytes = true;

template <class Operation>
inline f32x16 each(Operation operation) {
  f32x16 out;
  for (std::size_t i = 0; i < 16; ++i) out.v[i] = operation(i);
  return out;
}

inline f32x16 zero() { return f32x16{}; }
inline f32x16 broadcast(float x) {
  return each([&](std::size_t) { return x; });
}
inline f32x16 load(float const* from) {
  f32x16 out;
  std::memcpy(out.v, from, sizeof out.v);
  return out;
}
inline void store(float* to, f32x16 const& x) { std::memcpy(to, x.v, sizeof x.v); }
inline f32x16 add(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] + b.v[i]; });
}
inline f32x16 subtract(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] - b.v[i]; });
}
inline f32x16 multiply(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] * b.v[i]; });
}
inline f32x16 divide(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] / b.v[i]; });
}
/// a * b + c, rounded twice here, once where there is an instruction for it.
inline f32x16 multiply_add(f32x16 const& a, f32x16 const& b, f32x16 const& c) {
  return each([&](std::size_t i) { return a.v[i] * b.v[i] + c.v[i]; });
}
/// The second where one is no number.
inline f32x16 larger(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline f32x16 smaller(f32x16 const& a, f32x16 const& b) {
  return each([&](std::size_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline f32x16 magnitude(f32x16 const& a) {
  return each([&](std::size_t i) { return std::fabs(a.v[i]); });
}
/// `value` where x < limit is false, else 0.
inline f32x16 zero_where_less(f32x16 const& x, f32x16 const& limit, f32x16 const& value) {
  return each([&](std::size_t i) { return x.v[i] < limit.v[i] ? 0.0F : value.v[i]; });
}
/// `x` in the first `count` lanes, `other` in the rest.
inline f32x16 first_lanes(std::size_t count, f32x16 const& x, f32x16 const& other) {
  return each([&](std::size_t i) { return i < count ? x.v[i] : other.v[i]; });
}
/// The fixed tree (i, i+8), (i, i+4), (i, i+2), (i, i+1).
inline float sum_of(f32x16 x) {
  for (std::size_t half = 8; half != 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.v[i] += x.v[i + half];
  }
  return x.v[0];
}
inline float largest_of(f32x16 const& x) {
  float largest = x.v[0];
  for (float const value : x.v) largest = value > largest ? value : largest;
  return largest;
}

inline f32x16 load_half(std::uint16_t const* from) {
  return each([&](std::size_t i) { return half_to_float(from[i]); });
}
inline f32x16 load_bfloat(std::uint16_t const* from) {
  return each([&](std::size_t i) { return bfloat_to_float(from[i]); });
}
inline void store_half(std::uint16_t* to, f32x16 const& x) {
  for (std::size_t i = 0; i < 16; ++i) to[i] = float_to_half_clamped(x.v[i]);
}
inline f32x16 load_u8(std::byte const* from) {
  return each([&](std::size_t i) { return static_cast<float>(std::to_integer<std::uint8_t>(from[i])); });
}
inline f32x16 load_s8(std::byte const* from) {
  return each([&](std::size_t i) {
    return static_cast<float>(static_cast<std::int8_t>(std::to_integer<std::uint8_t>(from[i])));
  });
}

inline i32x16 broadcast_int(std::int32_t x) {
  i32x16 out;
  for (auto& lane : out.v) lane = x;
  return out;
}
inline i32x16 zero_int() { return i32x16{}; }
inline i32x16 add_int(i32x16 a, i32x16 const& b) {
  for (std::size_t i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
template <int Bits>
inline i32x16 shift_left(i32x16 x) {
  for (auto& lane : x.v) lane *= 1 << Bits;
  return x;
}
inline i32x16 subtract_int(i32x16 a, i32x16 const& b) {
  for (std::size_t i = 0; i < 16; ++i) a.v[i] -= b.v[i];
  return a;
}
inline i32x16 times_255(i32x16 x) {
  for (auto& lane : x.v) lane *= 255;
  return x;
}
inline f32x16 to_float(i32x16 const& x) {
  return each([&](std::size_t i) { return static_cast<float>(x.v[i]); });
}
/// To nearest, ties to even. Precondition: fits.
inline i32x16 to_int(f32x16 const& x) {
  i32x16 out;
  for (std::size_t i = 0; i < 16; ++i) out.v[i] = static_cast<std::int32_t>(std::nearbyint(x.v[i]));
  return out;
}
/// 2^n for n in [-126, 127].
inline f32x16 power_of_two(i32x16 const& n) {
  return each([&](std::size_t i) { return std::bit_cast<float>((n.v[i] + 127) << 23); });
}
/// The lanes as signed bytes. Precondition: fit.
inline void store_s8(std::int8_t* to, i32x16 const& x) {
  for (std::size_t i = 0; i < 16; ++i) to[i] = static_cast<std::int8_t>(x.v[i]);
}
inline std::int32_t sum_of_int(i32x16 const& x) {
  std::int32_t sum = 0;
  for (auto const lane : x.v) sum += lane;
  return sum;
}

inline u8x64 load_bytes(std::byte const* from) {
  u8x64 out;
  std::memcpy(out.v, from, sizeof out.v);
  return out;
}
template <class Operation>
inline u8x64 each_byte(Operation operation) {
  u8x64 out;
  for (std::size_t i = 0; i < 64; ++i) out.v[i] = static_cast<std::uint8_t>(operation(i));
  return out;
}
inline u8x64 keep_bits(u8x64 const& x, int mask) {
  return each_byte([&](std::size_t i) { return x.v[i] & mask; });
}
inline u8x64 merge_bits(u8x64 const& a, u8x64 const& b) {
  return each_byte([&](std::size_t i) { return a.v[i] | b.v[i]; });
}
/// Left for positive `Bits`, right for negative. What crosses a byte's border is undefined.
template <int Bits>
inline u8x64 shift_bits(u8x64 const& x) {
  return each_byte([&](std::size_t i) {
    return Bits >= 0 ? x.v[i] << (Bits > 0 ? Bits : 0) : x.v[i] >> -(Bits < 0 ? Bits : 0);
  });
}

/// sum[i] += the products of bytes 4i..4i+3 of w (unsigned, at most 63) with the signed bytes x[0..3].
inline i32x16 dot(i32x16 sum, u8x64 const& w, std::int8_t const* x) {
  for (std::size_t i = 0; i < 16; ++i) {
    auto const* const four = w.v + 4 * i;
    sum.v[i] += four[0] * x[0] + four[1] * x[1] + four[2] * x[2] + four[3] * x[3];
  }
  return sum;
}
/// The same for 8-bit codes, w - 128 where `signed_bytes`.
inline i32x16 dot_wide(i32x16 sum, u8x64 const& w, std::int8_t const* x) {
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 4; ++j) sum.v[i] += (w.v[4 * i + j] - 128) * x[j];
  }
  return sum;
}
inline void prefetch(void const*) {}

} // namespace
} // namespace mayfly::gpu::cpu
