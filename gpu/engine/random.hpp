#pragma once
#include <cstdint>

namespace mayfly::gpu {

/// The output function of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators,
/// 2014).
constexpr std::uint64_t mixed(std::uint64_t bits) noexcept {
  bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EBU;
  return bits ^ (bits >> 31U);
}

/// The number in [0, 1) that draws the token with this index of an output. A function of its arguments alone:
/// the same whatever else is in the batch, and after a sequence was computed again. The seed is mixed first,
/// else seeds that differ by a multiple of the increment would share one stream.
constexpr double random_unit(std::uint64_t seed, std::uint64_t index) noexcept {
  auto const bits = mixed(mixed(seed) + (index + 1) * 0x9E3779B97F4A7C15U);
  return static_cast<double>(bits >> 11U) * 0x1.0p-53;
}

} // namespace mayfly::gpu
