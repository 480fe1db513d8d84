#pragma once
// Half-precision numbers as model files store them, without instructions that not every machine has.
#include <bit>
#include <cstdint>

namespace mayfly::gpu {

/// IEEE 754 binary16 to binary32, exact; NaN stays NaN.
constexpr float half_to_float(std::uint16_t half) noexcept {
  std::uint32_t const sign = std::uint32_t{half & 0x8000U} << 16;
  std::uint32_t const exponent = (half >> 10) & 0x1FU;
  std::uint32_t const fraction = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  float const magnitude = static_cast<float>(fraction) * 0x1p-24F; // subnormal: fraction * 2^-24, exact
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// bfloat16 is the upper half of binary32.
constexpr float bfloat_to_float(std::uint16_t upper) noexcept {
  return std::bit_cast<float>(std::uint32_t{upper} << 16);
}

/// binary32 to binary16, rounded to nearest even; what is too large becomes the largest finite number, so
/// that a product with zero stays zero.
constexpr std::uint16_t float_to_half_clamped(float value) noexcept {
  std::uint32_t const bits = std::bit_cast<std::uint32_t>(value);
  auto const sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  std::uint32_t const magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U); // NaN
  if (magnitude >= 0x477FE000U) return static_cast<std::uint16_t>(sign | 0x7BFFU);
  if (magnitude < 0x38800000U) {
    // Subnormal: adding 0.5 moves the bits that are kept to the end of the fraction, and rounds.
    float const shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
  }
  std::uint32_t const odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}

} // namespace mayfly::gpu
