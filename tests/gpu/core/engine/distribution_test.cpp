#include "gpu/engine/distribution.hpp"

#include "gpu/engine/random.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

using namespace mayfly;
using namespace mayfly::gpu;

namespace {

constexpr auto nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr auto infinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(count);
  for (auto& logit : logits) logit = normal(random);
  return logits;
}

std::vector<token_id> sorted_ids(std::vector<float> const& logits) {
  std::vector<token_id> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](token_id left, token_id right) {
    return logits[static_cast<std::size_t>(left)] > logits[static_cast<std::size_t>(right)];
  });
  return ids;
}

} // namespace

TEST_CASE("the largest logit is found at every place of rows of every length") {
  for (std::size_t count = 1; count < 70; ++count)
    for (std::size_t place = 0; place < count; ++place) {
      std::vector<float> logits(count, -3.0F);
      logits[place] = 2.5F;
      REQUIRE(largest_logit(logits) == 2.5F);
      REQUIRE(first_token_with(logits, 2.5F) == static_cast<token_id>(place));
    }
}

TEST_CASE("where logits tie, the lowest id comes first") {
  std::vector<float> logits(100, 1.0F);
  logits[40] = logits[70] = 5.0F;
  CHECK(first_token_with(logits, 5.0F) == 40);
  candidates chosen;
  select_best(logits, 4, chosen);
  std::vector<token_id> ids;
  for (auto const& each : chosen.reveal()) ids.push_back(each.token);
  CHECK(ids == std::vector<token_id>{40, 70, 0, 1});
}

TEST_CASE("a row with NaN or positive infinity, or of negative infinities alone, has no largest logit") {
  for (std::size_t const place : {0U, 15U, 16U, 31U, 33U}) {
    std::vector<float> logits(34, 1.0F);
    logits[place] = nan_value;
    CHECK_FALSE(largest_logit(logits).has_value());
    logits[place] = infinity;
    CHECK_FALSE(largest_logit(logits).has_value());
    logits[place] = -infinity;
    CHECK(largest_logit(logits) == 1.0F);
  }
  CHECK_FALSE(largest_logit(std::vector<float>(34, -infinity)).has_value());
}

TEST_CASE("the best k are those that sorting the whole row would give") {
  auto const logits = random_logits(5000, 3);
  auto const expected = sorted_ids(logits);
  for (std::size_t const count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{64},
                                  std::size_t{4999}, std::size_t{5000}, std::size_t{9000}}) {
    candidates chosen;
    select_best(logits, count, chosen);
    REQUIRE(chosen.size() == std::min<std::size_t>(count, 5000));
    for (std::size_t index = 0; index < chosen.size(); ++index)
      REQUIRE(chosen.reveal()[index].token == expected[index]);
  }
}

TEST_CASE("the logarithm of a sum of exponentials is exact to double precision and does not overflow") {
  std::vector<float> const logits(1000, 500.0F);
  CHECK(log_sum_exp(logits, 500.0F) == Approx(500.0 + std::log(1000.0)).epsilon(1e-14));
}

TEST_CASE("weights are exponentials to within 2^-22, at any temperature") {
  auto const logits = random_logits(4099, 5);
  auto const largest = *largest_logit(logits);
  std::vector<float> weights(logits.size());
  for (float const temperature : {0.05F, 0.7F, 1.0F, 2.0F}) {
    auto const total = exponentiate(logits, largest, temperature, weights);
    double exact_total = 0;
    for (std::size_t index = 0; index < logits.size(); ++index) {
      auto const x = static_cast<double>((logits[index] - largest) / temperature);
      exact_total += std::exp(x);
      if (x < -86)
        CHECK(weights[index] < 1e-36F);
      else
        CHECK(static_cast<double>(weights[index]) == Approx(std::exp(x)).epsilon(0x1p-22));
    }
    CHECK(total == Approx(exact_total).epsilon(1e-6));
  }
}

TEST_CASE("a nucleus is the shortest start of the sorted row that reaches its mass") {
  auto const logits = random_logits(4099, 8);
  auto const order = sorted_ids(logits);
  std::vector<float> weights(logits.size());
  for (float const temperature : {0.3F, 1.0F, 3.0F}) {
    auto const total = exponentiate(logits, *largest_logit(logits), temperature, weights);
    for (double const share : {1e-9, 0.1, 0.5, 0.9, 0.99, 0.9999}) {
      CAPTURE(temperature, share);
      std::vector<token_id> expected;
      for (double sum = 0; sum < total * share;) {
        expected.push_back(order[expected.size()]);
        sum += static_cast<double>(weights[static_cast<std::size_t>(expected.back())]);
      }
      candidates chosen;
      ephemeral_buffer<double> sums;
      select_nucleus(logits, weights, total * share, sums, chosen);
      std::vector<token_id> got;
      for (auto const& each : chosen.reveal()) got.push_back(each.token);
      std::sort(got.begin(), got.end());
      std::sort(expected.begin(), expected.end());
      CHECK(got == expected);
    }
  }
}

TEST_CASE("a nucleus that cannot reach its mass is the whole row") {
  std::vector<float> const logits{0.0F, -200.0F, -1.0F};
  std::vector<float> weights(3);
  exponentiate(logits, 0.0F, 1.0F, weights);
  candidates chosen;
  ephemeral_buffer<double> sums;
  select_nucleus(logits, weights, 5.0, sums, chosen);
  CHECK(chosen.size() == 3);
}

TEST_CASE("a draw falls on the token in whose share of the sum it lies") {
  std::vector<float> weights(1000, 0.0F);
  weights[3] = 1;
  weights[300] = 2;
  weights[999] = 1;
  CHECK(draw(weights, 4.0, 0.0) == 3);
  CHECK(draw(weights, 4.0, 0.2499) == 3);
  CHECK(draw(weights, 4.0, 0.2501) == 300);
  CHECK(draw(weights, 4.0, 0.7499) == 300);
  CHECK(draw(weights, 4.0, 0.7501) == 999);
  CHECK(draw(weights, 4.0, 1.0 - 0x1p-53) == 999);
}

TEST_CASE("a draw beyond the sum's rounding falls on the last token with any weight") {
  std::vector<float> weights(600, 0.0F);
  weights[10] = weights[290] = 1;
  CHECK(draw(weights, 2.0000001, 1.0 - 0x1p-53) == 290);
}

TEST_CASE("random numbers are even, and streams of neighbouring seeds do not repeat one another") {
  std::array<int, 64> buckets{};
  constexpr int draws = 64000;
  for (int index = 0; index < draws; ++index)
    ++buckets[static_cast<std::size_t>(random_unit(42, static_cast<std::uint64_t>(index)) * 64)];
  double chi_squared = 0;
  for (auto const count : buckets) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  CHECK(chi_squared < 120); // 63 degrees of freedom: exceeded with probability below 1e-5
  std::vector<double> drawn;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    for (std::uint64_t index = 0; index < 100; ++index)
      drawn.push_back(random_unit(seed * 0x9E3779B97F4A7C15U, index));
  std::sort(drawn.begin(), drawn.end());
  CHECK(std::adjacent_find(drawn.begin(), drawn.end()) == drawn.end());
}
