#include "gpu/engine/distribution.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace mayfly::gpu {
namespace {

// Four lanes, written out: every x86-64 and ARM machine has them, and the compiler turns no comparison into
// lanes by itself while it must keep floating-point traps.
using floats = float __attribute__((vector_size(16)));
using integers = std::int32_t __attribute__((vector_size(16)));
constexpr std::size_t lanes = 4;
// Tokens whose weights are summed before the sum joins the double: keeps sums of floats exact enough (64
// additions a lane) and lets `draw` skip by blocks.
constexpr std::size_t block = lanes * 64;

constexpr floats all(float value) noexcept { return floats{value, value, value, value}; }

inline floats load(float const* from) noexcept {
  floats loaded;
  std::memcpy(&loaded, from, sizeof loaded);
  return loaded;
}

/// exp(x) for x <= 0: 2^n * exp(r) with |r| <= ln(2) / 2 and six terms of the series.
inline floats exponential(floats x) noexcept {
  constexpr float log2_e = 1.44269504F;
  constexpr float ln2_high = 0.693359375F; // exact in 9 bits, so that n * ln2_high is exact
  constexpr float ln2_low = -2.12194440e-4F;
  constexpr float rounding = 12582912.0F; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  floats const bounded = x < -86.0F ? all(-86.0F) : x;
  floats const shifted = bounded * log2_e + rounding;
  floats const n = shifted - rounding;
  floats const r = (bounded - n * ln2_high) - n * ln2_low;
  floats series = r * (1.0F / 720) + 1.0F / 120;
  series = series * r + 1.0F / 24;
  series = series * r + 1.0F / 6;
  series = series * r + 0.5F;
  series = series * r + 1.0F;
  series = series * r + 1.0F;
  auto const power = std::bit_cast<floats>((std::bit_cast<integers>(shifted) + 127) << 23);
  return x < -86.0F ? all(0.0F) : series * power;
}

bool better(candidate const& left, candidate const& right) noexcept {
  return left.logit > right.logit || (left.logit == right.logit && left.token < right.token);
}

token_id token_at(std::size_t index) noexcept { return static_cast<token_id>(index); }

double sum_of(std::span<float const> weights) noexcept {
  floats sums = all(0.0F);
  auto const whole = weights.size() / lanes * lanes;
  for (std::size_t index = 0; index < whole; index += lanes) sums += load(weights.data() + index);
  double total = 0;
  for (std::size_t lane = 0; lane < lanes; ++lane) total += static_cast<double>(sums[lane]);
  for (auto const rest : weights.subspan(whole)) total += static_cast<double>(rest);
  return total;
}

} // namespace

std::optional<float> largest_logit(std::span<float const> logits) noexcept {
  constexpr auto lowest = -std::numeric_limits<float>::infinity();
  floats largest = all(lowest);
  integers unordered{};
  auto const take = [&](floats logit) {
    largest = logit > largest ? logit : largest;
    unordered |= logit != logit;
  };
  auto const whole = logits.size() / lanes * lanes;
  for (std::size_t index = 0; index < whole; index += lanes) take(load(logits.data() + index));
  floats rest = all(lowest);
  for (std::size_t index = whole; index < logits.size(); ++index) rest[index - whole] = logits[index];
  take(rest);
  float found = lowest;
  bool comparable = true;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    found = std::max(found, largest[lane]);
    comparable = comparable && unordered[lane] == 0;
  }
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
  auto const whole = logits.size() / lanes * lanes;
  double total = 0;
  for (std::size_t begin = 0; begin < whole; begin += block) {
    auto const end = std::min(begin + block, whole);
    for (std::size_t index = begin; index < end; index += lanes) {
      floats const weight = exponential((load(logits.data() + index) - largest) / temperature);
      std::memcpy(weights.data() + index, &weight, sizeof weight);
    }
    total += sum_of(weights.subspan(begin, end - begin));
  }
  for (std::size_t index = whole; index < logits.size(); ++index) {
    weights[index] = exponential(all((logits[index] - largest) / temperature))[0];
    total += static_cast<double>(weights[index]);
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

void select_nucleus(std::span<float const> logits, std::span<float const> weights, double wanted,
                    ephemeral_buffer<double>& sums, candidates& chosen) {
  // Positive floats order as their bits do. Eight buckets an octave, from weight 1 down to 2^-125, then 0.
  constexpr auto one = std::bit_cast<std::uint32_t>(1.0F);
  auto const bucket_of = [one](float weight) {
    return std::size_t{(one - std::min(one, std::bit_cast<std::uint32_t>(weight))) >> 20U};
  };
  sums.resize(0);
  sums.resize((one >> 20U) + 1);
  auto const buckets = sums.reveal();
  for (auto const weight : weights) buckets[bucket_of(weight)] += static_cast<double>(weight);
  std::size_t last = 0;
  double before = 0; // the weight of the buckets before the last
  while (last + 1 < buckets.size() && before + buckets[last] < wanted) before += buckets[last++];

  chosen.resize(0);
  auto const take = [&](auto wanted_bucket) {
    for (std::size_t index = 0; index < logits.size(); ++index)
      if (wanted_bucket(bucket_of(weights[index])))
        chosen.push_back({token_at(index), logits[index], static_cast<double>(weights[index])});
  };
  take([last](std::size_t bucket) { return bucket < last; });
  auto kept = chosen.size();
  take([last](std::size_t bucket) { return bucket == last; });
  // Only where the set ends does order matter.
  auto const tail = chosen.reveal().subspan(kept);
  std::sort(tail.begin(), tail.end(), better);
  for (auto const& each : tail) {
    ++kept;
    before += each.weight;
    if (before >= wanted) break;
  }
  chosen.resize(kept);
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
