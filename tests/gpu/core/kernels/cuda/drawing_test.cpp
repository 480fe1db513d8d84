// Tokens drawn on the device: the sets and the probabilities that gpu/engine/sampler.hpp defines.
#include "gpu/kernels/emulation/block.hpp"
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace mayfly::gpu::testing {
namespace {

/// The probabilities of tokens as the sampler's header defines them, in double precision.
std::map<token_id, double> expected_for(std::vector<float> const& logits, draw_parameters const& asked) {
  std::vector<token_id> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  auto const at = [&](token_id token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]);
  };
  std::stable_sort(order.begin(), order.end(), [&](auto one, auto other) { return at(one) > at(other); });
  if (asked.temperature == 0 || asked.top_k == 1) return {{order[0], 1.0}};
  if (asked.top_k > 0 && static_cast<std::size_t>(asked.top_k) < order.size())
    order.resize(static_cast<std::size_t>(asked.top_k));
  std::vector<double> weights;
  for (auto const token : order)
    weights.push_back(std::exp((at(token) - at(order[0])) / static_cast<double>(asked.temperature)));
  auto const wanted = std::accumulate(weights.begin(), weights.end(), 0.0) * static_cast<double>(asked.top_p);
  if (asked.top_p < 1) {
    std::size_t kept = 0;
    for (double sum = 0; kept < weights.size() && sum < wanted; ++kept) sum += weights[kept];
    weights.resize(kept);
  }
  while (weights.back() < static_cast<double>(asked.min_p)) weights.pop_back();
  auto const total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::map<token_id, double> chances;
  for (std::size_t i = 0; i < weights.size(); ++i) chances[order[i]] = weights[i] / total;
  return chances;
}

std::vector<token_id> drawn(std::vector<float> const& logits, std::vector<draw_parameters> const& rows) {
  auto const device = emulated_cuda();
  std::vector<float> all;
  for (std::size_t i = 0; i < rows.size(); ++i) all.insert(all.end(), logits.begin(), logits.end());
  device_floats const on_device(*device, all);
  std::vector<token_id> tokens(rows.size(), -7);
  device->draw(on_device.get(), logits.size(), rows, tokens);
  REQUIRE(device->synchronize());
  return tokens;
}

/// Shares spread evenly over [0, 1) draw each token as often as its probability says, to one or two.
void check_distribution(std::vector<float> const& logits, draw_parameters asked) {
  constexpr int draws = 200;
  std::vector<draw_parameters> rows;
  for (int i = 0; i < draws; ++i) {
    asked.share = (i + 0.5) / draws;
    rows.push_back(asked);
  }
  std::map<token_id, int> counts;
  for (auto const token : drawn(logits, rows)) ++counts[token];
  auto const expected = expected_for(logits, asked);
  for (auto const& [token, count] : counts) {
    INFO("token " << token << " drawn " << count);
    CHECK(expected.contains(token));
  }
  for (auto const& [token, chance] : expected) {
    INFO("token " << token << " chance " << chance);
    CHECK(std::abs(counts[token] - chance * draws) < 1.5);
  }
}

} // namespace

TEST_CASE("a device draws the tokens that each sampling parameter leaves, with their probabilities") {
  random_numbers random(301);
  auto logits = random.uniforms(150);
  for (auto& each : logits) each *= 4;
  std::vector<draw_parameters> const all{
      {1.0F, 1.0F, 0, 0.0F},   {0.6F, 1.0F, 0, 0.0F}, {1.0F, 1.0F, 5, 0.0F},  {1.0F, 0.7F, 0, 0.0F},
      {0.8F, 0.3F, 0, 0.0F},   {1.0F, 1.0F, 0, 0.2F}, {1.3F, 0.9F, 20, 0.1F}, {1.0F, 1.0F, 500, 0.0F},
      {1.0F, 0.001F, 0, 0.0F}, {1.0F, 1.0F, 1, 0.0F}, {0.0F, 1.0F, 0, 0.0F},  {1.0F, 1.0F, 0, 1.0F}};
  for (auto const& each : all) {
    INFO("temperature " << each.temperature << " top_p " << each.top_p << " top_k " << each.top_k << " min_p "
                        << each.min_p);
    check_distribution(logits, each);
  }
}

TEST_CASE("where logits tie the lowest ids are kept, in greedy choice, top_k and top_p") {
  std::vector<float> logits(40, -5.0F);
  for (std::size_t const i : {3U, 9U, 17U, 30U}) logits[i] = 2.0F;
  logits[12] = 3.0F;
  check_distribution(logits, {1.0F, 1.0F, 3, 0.0F});
  check_distribution(logits, {1.0F, 0.6F, 0, 0.0F});
  std::vector<float> const same(64, 1.0F);
  check_distribution(same, {0.0F, 1.0F, 0, 0.0F});
  check_distribution(same, {1.0F, 0.25F, 0, 0.0F});
  check_distribution({0.0F, -0.0F, 0.0F}, {0.0F, 1.0F, 0, 0.0F});
}

TEST_CASE("a draw is the same in every order of threads and beside any other rows") {
  random_numbers random(302);
  auto const logits = random.uniforms(700);
  draw_parameters const asked{1.0F, 0.8F, 100, 0.0F, 0.37};
  auto const first = drawn(logits, {asked});
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    emulation::seed_order(seed);
    CHECK(drawn(logits, {asked, {0.0F}, asked}) ==
          std::vector<token_id>{first[0], drawn(logits, {{0.0F}})[0], first[0]});
  }
  emulation::seed_order(0);
}

TEST_CASE("a row that is no distribution gives no token, and harms no other row") {
  auto const infinity = std::numeric_limits<float>::infinity();
  auto const device = emulated_cuda();
  std::vector<float> const logits{1, 2,         3,         std::nanf(""), 1,         2, infinity, 1,
                                  2, -infinity, -infinity, -infinity,     -infinity, 5, -infinity};
  device_floats const on_device(*device, logits);
  std::vector<draw_parameters> const rows(5, {1.0F, 0.9F, 0, 0.0F, 0.0});
  std::vector<token_id> tokens(5);
  device->draw(on_device.get(), 3, rows, tokens);
  REQUIRE(device->synchronize());
  CHECK(tokens[0] >= 0);
  CHECK(tokens[1] == -1);
  CHECK(tokens[2] == -1);
  CHECK(tokens[3] == -1);
  CHECK(tokens[4] == 1);
  // One among many, wherever it stands and in whatever order threads come to it.
  for (std::size_t const at : {0U, 40U, 300U, 599U}) {
    std::vector<float> long_row(600, 0.5F);
    long_row[at] = infinity;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      emulation::seed_order(seed);
      CHECK(drawn(long_row, {{1.0F}})[0] == -1);
    }
  }
  emulation::seed_order(0);
}

} // namespace mayfly::gpu::testing
