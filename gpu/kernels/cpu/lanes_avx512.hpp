#pragma once
// Sixteen lanes in AVX-512 (F, BW, DQ, VL, VNNI). lanes_portable.hpp says what each function means.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

namespace mayfly::gpu::cpu {
namespace {

using f32x16 = __m512;
using i32x16 = __m512i;
using u8x64 = __m512i;

constexpr bool signed_bytes = false;

inline f32x16 zero() { return _mm512_setzero_ps(); }
inline f32x16 broadcast(float x) { return _mm512_set1_ps(x); }
inline f32x16 load(float const* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, f32x16 x) { _mm512_storeu_ps(to, x); }
inline f32x16 add(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
inline f32x16 subtract(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
inline f32x16 multiply(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
inline f32x16 divide(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
inline f32x16 multiply_add(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
inline f32x16 larger(f32x16 a, f32x16 b) { return _mm512_max_ps(a, b); }
inline f32x16 smaller(f32x16 a, f32x16 b) { return _mm512_min_ps(a, b); }
inline f32x16 magnitude(f32x16 a) { return _mm512_abs_ps(a); }
inline f32x16 zero_where_less(f32x16 x, f32x16 limit, f32x16 value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), value);
}
inline f32x16 first_lanes(std::size_t count, f32x16 x, f32x16 other) {
  return _mm512_mask_blend_ps(static_cast<__mmask16>((1U << count) - 1), other, x);
}
inline float sum_of(f32x16 x) {
  auto const eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  auto const four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  auto const two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float largest_of(f32x16 x) { return _mm512_reduce_max_ps(x); }

inline __m256i load_16_halves(std::uint16_t const* from) {
  return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(from));
}
inline f32x16 load_half(std::uint16_t const* from) { return _mm512_cvtph_ps(load_16_halves(from)); }
inline f32x16 load_bfloat(std::uint16_t const* from) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_16_halves(from)), 16));
}
inline void store_half(std::uint16_t* to, f32x16 x) {
  auto const largest = _mm512_set1_ps(65504.0F);
  auto const bounded = _mm512_max_ps(_mm512_set1_ps(-65504.0F), _mm512_min_ps(largest, x));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT));
}
inline __m128i load_16_bytes(std::byte const* from) {
  return _mm_loadu_si128(reinterpret_cast<__m128i const*>(from));
}
inline f32x16 load_u8(std::byte const* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_16_bytes(from)));
}
inline f32x16 load_s8(std::byte const* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16_bytes(from)));
}

inline i32x16 broadcast_int(std::int32_t x) { return _mm512_set1_epi32(x); }
inline i32x16 zero_int() { return _mm512_setzero_si512(); }
inline i32x16 add_int(i32x16 a, i32x16 b) { return _mm512_add_epi32(a, b); }
template <int Bits>
inline i32x16 shift_left(i32x16 x) {
  return _mm512_slli_epi32(x, Bits);
}
inline i32x16 subtract_int(i32x16 a, i32x16 b) { return _mm512_sub_epi32(a, b); }
inline i32x16 times_255(i32x16 x) { return subtract_int(shift_left<8>(x), x); }
inline f32x16 to_float(i32x16 x) { return _mm512_cvtepi32_ps(x); }
inline i32x16 to_int(f32x16 x) { return _mm512_cvtps_epi32(x); }
inline f32x16 power_of_two(i32x16 n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
inline void store_s8(std::int8_t* to, i32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(x));
}
inline std::int32_t sum_of_int(i32x16 x) { return _mm512_reduce_add_epi32(x); }

inline u8x64 load_bytes(std::byte const* from) { return _mm512_load_si512(from); }
inline u8x64 keep_bits(u8x64 x, int mask) {
  return _mm512_and_si512(x, _mm512_set1_epi8(static_cast<char>(mask)));
}
inline u8x64 merge_bits(u8x64 a, u8x64 b) { return _mm512_or_si512(a, b); }
template <int Bits>
inline u8x64 shift_bits(u8x64 x) {
  if constexpr (Bits > 0)
    return _mm512_slli_epi16(x, Bits);
  else if constexpr (Bits < 0)
    return _mm512_srli_epi16(x, -Bits);
  else
    return x;
}

inline i32x16 dot(i32x16 sum, u8x64 w, std::int8_t const* x) {
  std::int32_t four = 0;
  std::memcpy(&four, x, sizeof four);
  return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}
inline i32x16 dot_wide(i32x16 sum, u8x64 w, std::int8_t const* x) { return dot(sum, w, x); }
inline void prefetch(void const* at) { _mm_prefetch(static_cast<char const*>(at), _MM_HINT_T0); }

} // namespace
} // namespace mayfly::gpu::cpu
