#pragma once
#include "gpu/kernels/backend.hpp"

#include <deque>
#include <vector>

namespace mayfly::gpu::cpu {

/// Cosines and sines of one model's rotary embedding, by position. Angles are products of floats, as
/// transformers computes them: a more exact table would agree less.
class rope_table {
public:
  explicit rope_table(rope_parameters const& parameters);

  bool fits(rope_parameters const& parameters) const noexcept;
  /// Makes positions [0, count) available.
  void cover(std::size_t count);
  float const* cosines(std::size_t position) const noexcept { return cosines_.data() + position * pairs(); }
  float const* sines(std::size_t position) const noexcept { return sines_.data() + position * pairs(); }

private:
  std::size_t pairs() const noexcept { return frequencies_.size(); }

  float theta_;
  float scale_;
  std::uint32_t dims_;
  std::vector<float> factors_;
  std::vector<float> frequencies_; ///< [dims / 2], radians a position
  std::vector<float> cosines_;     ///< [positions][dims / 2]
  std::vector<float> sines_;
};

/// The tables of the models that share a backend.
class rope_tables {
public:
  rope_table& covering(rope_parameters const& parameters, std::size_t positions);

private:
  std::deque<rope_table> tables_;
};

} // namespace mayfly::gpu::cpu
