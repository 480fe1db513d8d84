#pragma once
// Sixteen lanes in AVX2, FMA and F16C: two registers each. lanes_portable.hpp says what each function means.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

namespace mayfly::gpu::cpu {
namespace {

struct f32x16 {
  __m256 low, high;
};
struct i32x16 {
  __m256i low, high;
};
struct u8x64 {
  __m256i low, high;
};

// vpmaddubsw saturates at 16 bits: 8-bit weights go in as magnitudes, their signs with the activations.
constexpr bool signed_bytes = true;

inline f32x16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline f32x16 broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline f32x16 load(float const* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline void store(float* to, f32x16 x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}
inline f32x16 add(f32x16 a, f32x16 b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline f32x16 subtract(f32x16 a, f32x16 b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline f32x16 multiply(f32x16 a, f32x16 b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline f32x16 divide(f32x16 a, f32x16 b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline f32x16 multiply_add(f32x16 a, f32x16 b, f32x16 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline f32x16 larger(f32x16 a, f32x16 b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline f32x16 smaller(f32x16 a, f32x16 b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
inline f32x16 magnitude(f32x16 a) {
  auto const sign = _mm256_set1_ps(-0.0F);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
inline f32x16 zero_where_less(f32x16 x, f32x16 limit, f32x16 value) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.low, limit.low, _CMP_NLT_UQ), value.low),
          _mm256_and_ps(_mm256_cmp_ps(x.high, limit.high, _CMP_NLT_UQ), value.high)};
}
inline f32x16 first_lanes(std::size_t count, f32x16 x, f32x16 other) {
  auto const wanted = _mm256_set1_epi32(static_cast<int>(count));
  auto const low = _mm256_cmpgt_epi32(wanted, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  auto const high = _mm256_cmpgt_epi32(wanted, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
  return {_mm256_blendv_ps(other.low, x.low, _mm256_castsi256_ps(low)),
          _mm256_blendv_ps(other.high, x.high, _mm256_castsi256_ps(high))};
}
inline float sum_of(f32x16 x) {
  auto const eight = _mm256_add_ps(x.low, x.high);
  auto const four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  auto const two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float largest_of(f32x16 x) {
  auto const eight = _mm256_max_ps(x.low, x.high);
  auto const four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  auto const two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

inline __m128i load_16_bytes(void const* from) { return _mm_loadu_si128(static_cast<__m128i const*>(from)); }
inline f32x16 load_half(std::uint16_t const* from) {
  return {_mm256_cvtph_ps(load_16_bytes(from)), _mm256_cvtph_ps(load_16_bytes(from + 8))};
}
inline __m256 widen_bfloat(__m128i upper) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}
inline f32x16 load_bfloat(std::uint16_t const* from) {
  return {widen_bfloat(load_16_bytes(from)), widen_bfloat(load_16_bytes(from + 8))};
}
inline void store_half(std::uint16_t* to, f32x16 x) {
  auto const bounded = larger(broadcast(-65504.0F), smaller(broadcast(65504.0F), x));
  auto* const halves = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(bounded.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(bounded.high, _MM_FROUND_TO_NEAREST_INT));
}
inline f32x16 load_u8(std::byte const* from) {
  auto const bytes = load_16_bytes(from);
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}
inline f32x16 load_s8(std::byte const* from) {
  auto const bytes = load_16_bytes(from);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

inline i32x16 broadcast_int(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline i32x16 zero_int() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline i32x16 add_int(i32x16 a, i32x16 b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
template <int Bits>
inline i32x16 shift_left(i32x16 x) {
  return {_mm256_slli_epi32(x.low, Bits), _mm256_slli_epi32(x.high, Bits)};
}
inline i32x16 subtract_int(i32x16 a, i32x16 b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
inline i32x16 times_255(i32x16 x) { return subtract_int(shift_left<8>(x), x); }
inline f32x16 to_float(i32x16 x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
inline i32x16 to_int(f32x16 x) { return {_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)}; }
inline __m256 power_of_two_8(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
inline f32x16 power_of_two(i32x16 n) { return {power_of_two_8(n.low), power_of_two_8(n.high)}; }
inline void store_s8(std::int8_t* to, i32x16 x) {
  std::int32_t lanes[16];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), x.low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes + 8), x.high);
  for (std::size_t i = 0; i < 16; ++i) to[i] = static_cast<std::int8_t>(lanes[i]);
}
inline std::int32_t sum_of_int(i32x16 x) {
  auto const eight = _mm256_add_epi32(x.low, x.high);
  auto const four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  auto const two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

inline u8x64 load_bytes(std::byte const* from) {
  auto const* const halves = reinterpret_cast<__m256i const*>(from);
  return {_mm256_load_si256(halves), _mm256_load_si256(halves + 1)};
}
inline u8x64 keep_bits(u8x64 x, int mask) {
  auto const bits = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(x.low, bits), _mm256_and_si256(x.high, bits)};
}
inline u8x64 merge_bits(u8x64 a, u8x64 b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
template <int Bits>
inline u8x64 shift_bits(u8x64 x) {
  if constexpr (Bits > 0)
    return {_mm256_slli_epi16(x.low, Bits), _mm256_slli_epi16(x.high, Bits)};
  else if constexpr (Bits < 0)
    return {_mm256_srli_epi16(x.low, -Bits), _mm256_srli_epi16(x.high, -Bits)};
  else
    return x;
}

inline __m256i broadcast_four(std::int8_t const* x) {
  std::int32_t four = 0;
  std::memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}
inline __m256i add_products(__m256i sum, __m256i unsigned_bytes, __m256i signed_ones) {
  auto const pairs = _mm256_maddubs_epi16(unsigned_bytes, signed_ones);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline i32x16 dot(i32x16 sum, u8x64 w, std::int8_t const* x) {
  auto const four = broadcast_four(x);
  return {add_products(sum.low, w.low, four), add_products(sum.high, w.high, four)};
}
// |w| <= 128 and |x| <= 127: two products stay below 2^15.
inline __m256i add_signed_products(__m256i sum, __m256i w, __m256i x) {
  auto const signed_w = _mm256_xor_si256(w, _mm256_set1_epi8(static_cast<char>(0x80)));
  return add_products(sum, _mm256_abs_epi8(signed_w), _mm256_sign_epi8(x, signed_w));
}
inline i32x16 dot_wide(i32x16 sum, u8x64 w, std::int8_t const* x) {
  auto const four = broadcast_four(x);
  return {add_signed_products(sum.low, w.low, four), add_signed_products(sum.high, w.high, four)};
}
inline void prefetch(void const* at) { _mm_prefetch(static_cast<char const*>(at), _MM_HINT_T0); }

} // namespace
} // namespace mayfly::gpu::cpu
