#include "gpu/kernels/cpu/rope_table.hpp"

#include "gpu/kernels/rope_frequencies.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mayfly::gpu::cpu {

rope_table::rope_table(rope_parameters const& parameters)
    : theta_(parameters.theta), scale_(parameters.scale), dims_(parameters.dims),
      factors_(parameters.frequency_factors.begin(), parameters.frequency_factors.end()),
      frequencies_(rope_frequencies(parameters)) {}

bool rope_table::fits(rope_parameters const& parameters) const noexcept {
  return theta_ == parameters.theta && scale_ == parameters.scale && dims_ == parameters.dims &&
         std::ranges::equal(factors_, parameters.frequency_factors);
}

void rope_table::cover(std::size_t count) {
  if (pairs() == 0 || cosines_.size() / pairs() >= count) return;
  auto const from = cosines_.size() / pairs();
  auto const to = std::bit_ceil(std::max<std::size_t>(count, 256));
  cosines_.resize(to * pairs());
  sines_.resize(to * pairs());
  for (auto position = from; position < to; ++position) {
    for (std::size_t i = 0; i < pairs(); ++i) {
      auto const angle = static_cast<double>(static_cast<float>(position) * frequencies_[i]);
      cosines_[position * pairs() + i] = static_cast<float>(std::cos(angle));
      sines_[position * pairs() + i] = static_cast<float>(std::sin(angle));
    }
  }
}

rope_table& rope_tables::covering(rope_parameters const& parameters, std::size_t positions) {
  auto found = std::ranges::find_if(tables_, [&](rope_table const& each) { return each.fits(parameters); });
  if (found == tables_.end()) found = tables_.emplace(found, parameters);
  found->cover(positions);
  return *found;
}

} // namespace mayfly::gpu::cpu
