#include "gpu/engine/distribution.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace mayfly::gpu {
namespace {

// Loops over lanes that the compiler turns into vector instructions without reordering any float addition.
constexpr std::size_t lanes = 16;
// Tokens whose weights are summed before the sum joins the double: keeps the loop in floats exact enough
// (the error of 16 additions of a float) and lets `draw` skip by blocks.
constexpr std::size_t block = lanes * 16;

/// exp(x) for x <= 0: 2^n * exp(r) with |r| <= ln(2) / 2 and six terms of the series.
inline float exponential(float x) noexcept {
  constexpr float log2_e = 1.44269504F;
  constexpr float ln2_high = 0.693359375F; // exact in 9 bits, so that n * ln2_high is exact
  constexpr float ln2_low = -2.12194440e-4F;
  constexpr float rounding = 12582912.0F; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  float const bounded = x < -86.0F ? -86.0F : x;
  float const shifted = bounded * log2_e + rounding;
  float const n = shifted - rounding;
  float const r = (bounded - n * ln2_high) - n * ln2_low;
  float const series =
      1.0F + r * (1.0F + r * (0.5F + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720))))));
  auto const power = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127U) << 23U);
  return x < -86.0F ? 0.0F : series * power;
}

bool better(candidate const& left, candidate const& right) noexcept {
  return left.logit > right.logit || (left.logit == right.logit && left.token < right.token);
}

token_id token_at(std::size_t index) noexcept { return static_cast<token_id>(index); }

double sum_of(std::span<float const> weights) noexcept {
  std::array<float, lanes> sums{};
  auto const whole = weights.size() / lanes * lanes;
  for (std::size_t index = 0; index < whole; index += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += weights[index + lane];
  double total = 0;
  for (auto const sum : sums) total += static_cast<double>(sum);
  for (auto const rest : weights.subspan(whole)) total += static_cast<double>(rest);
  return total;
}

} // namespace

std::optional<float> largest_logit(std::span<float const> logits) noexcept {
  std::array<float, lanes> largest;
  std::array<std::int32_t, lanes> unordered{};
  largest.fill(-std::numeric_limits<float>::infinity());
  auto const whole = logits.size() / lanes * lanes;
  for (std::size_t index = 0; index < whole; index += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      auto const logit = logits[index + lane];
      largest[lane] = logit > largest[lane] ? logit : largest[lane];
      unordered[lane] |= logit != logit ? 1 : 0;
    }
  for (std::size_t index = whole; index < logits.size(); ++index) {
    auto const logit = logits[index];
    largest[0] = logit > largest[0] ? logit : largest[0];
    unordered[0] |= logit != logit ? 1 : 0;
  }
  auto const found = *std::max_element(largest.begin(), largest.end());
  bool const comparable =
      std::all_of(unordered.begin(), unordered.end(), [](auto flag) { return flag == 0; });
  if (!comparable || !std::isfinite(found)) return std::nullopt;
  return found;
}

token_id first_token_with(std::span<float const> logits, float largest) noexcept {
  auto const found = std::find(logits.begin(), logits.end(), largest);
  return token_at(static_cast<std::size_t>(found - logits.begin()));
}

double log_sum_exp(std::span<float const> logits, float largest) noexcept {
  double sum = 0;
  for (auto const logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
  return static_cast<double>(largest) + std::log(sum);
}

void select_best(std::span<float const> logits, std::size_t count, candidates& chosen) {
  count = std::min(count, logits.size());
  chosen.resize(0);
  if (count == 0) return;
  chosen.resize(count);
  auto const heap = chosen.reveal();
  for (std::size_t index = 0; index < count; ++index) heap[index] = {token_at(index), logits[index], 0};
  // With `better` as the order, the front of the heap is the worst that is kept. Ids ascend, so that a logit
  // equal to the worst one never displaces it.
  std::make_heap(heap.begin(), heap.end(), better);
  for (std::size_t index = count; index < logits.size(); ++index) {
    if (!(logits[index] > heap.front().logit)) continue;
    std::pop_heap(heap.begin(), heap.end(), better);
    heap.back() = {token_at(index), logits[index], 0};
    std::push_heap(heap.begin(), heap.end(), better);
  }
  std::sort_heap(heap.begin(), heap.end(), better);
}

void select_above(std::span<float const> logits, float threshold, candidates& chosen) {
  chosen.resize(0);
  for (std::size_t index = 0; index < logits.size(); ++index)
    if (logits[index] >= threshold) chosen.push_back({token_at(index), logits[index], 0});
}

double exponentiate(std::span<float const> logits, float largest, float temperature,
                    std::span<float> weights) noexcept {
  double total = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += block) {
    auto const end = std::min(begin + block, logits.size());
    for (std::size_t index = begin; index < end; ++index)
      weights[index] = exponential((logits[index] - largest) / temperature);
    total += sum_of(weights.subspan(begin, end - begin));
  }
  return total;
}

token_id draw(std::span<float const> weights, double total, double share) noexcept {
  double left = total * share;
  std::size_t last = 0; // the last token with any weight: where rounding leaves a rest
  for (std::size_t begin = 0; begin < weights.size(); begin += block) {
    auto const part = weights.subspan(begin, std::min(block, weights.size() - begin));
    auto const sum = sum_of(part);
    if (sum > 0 && left < sum) {
      for (std::size_t index = 0; index < part.size(); ++index) {
        if (part[index] > 0) last = begin + index;
        left -= static_cast<double>(part[index]);
        if (left < 0) return token_at(last);
      }
      return token_at(last);
    }
    left -= sum;
    for (std::size_t index = 0; sum > 0 && index < part.size(); ++index)
      if (part[index] > 0) last = begin + index;
  }
  return token_at(last);
}

token_id draw(std::span<candidate const> chosen, double share) noexcept {
  double total = 0;
  for (auto const& each : chosen) total += each.weight;
  double left = total * share;
  for (auto const& each : chosen) {
    left -= each.weight;
    if (left < 0) return each.token;
  }
  return chosen.front().token;
}

} // namespace mayfly::gpu
