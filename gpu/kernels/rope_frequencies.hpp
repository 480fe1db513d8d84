#pragma once
#include "gpu/kernels/backend.hpp"

#include <cmath>
#include <vector>

namespace mayfly::gpu {

/// Radians a position of each pair, [dims / 2]. Every device multiplies these same floats by a position in
/// f32, as transformers does: more exact angles would agree less.
inline std::vector<float> rope_frequencies(rope_parameters const& rope) {
  std::vector<float> frequencies(rope.dims / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    auto const exponent = static_cast<float>(2 * i) / static_cast<float>(rope.dims);
    auto const base = std::pow(static_cast<double>(rope.theta), static_cast<double>(exponent));
    auto const factor = rope.frequency_factors.empty() ? 1.0F : rope.frequency_factors[i];
    frequencies[i] = 1.0F / static_cast<float>(base) / factor * rope.scale;
  }
  return frequencies;
}

} // namespace mayfly::gpu
