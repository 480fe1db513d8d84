#include "gpu/engine/sampler.hpp"

#include "gpu/engine/fair_share.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

using namespace mayfly;
using namespace mayfly::gpu;

namespace {

std::vector<float> const row{2.0F, 1.0F, 0.5F, 0.0F, -1.0F, -1.5F, 1.5F, -9.0F};

sampling_parameters at(float temperature) {
  sampling_parameters parameters;
  parameters.temperature = temperature;
  parameters.seed = 1;
  return parameters;
}

token_id greedy_after(sampling_parameters parameters, std::vector<token_id> const& prompt,
                      std::vector<token_id> const& output, std::vector<logit_bias> const& bias = {}) {
  parameters.temperature = 0;
  sampling_state state(parameters, ephemeral_buffer<logit_bias>(bias), prompt);
  for (auto const token : output) state.add(token);
  sampler subject(static_cast<std::uint32_t>(row.size()));
  auto logits = row;
  auto const drawn = subject.sample(logits, state);
  REQUIRE(drawn.has_value());
  return drawn->token.token;
}

/// softmax(logits / temperature), of the tokens in `kept` alone.
std::map<token_id, double> exact(std::vector<float> const& logits, double temperature,
                                 std::vector<token_id> const& kept) {
  std::map<token_id, double> probabilities;
  double total = 0;
  auto const largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  for (auto const token : kept) {
    auto const logit = static_cast<double>(logits[static_cast<std::size_t>(token)]);
    total += probabilities[token] = std::exp((logit - largest) / temperature);
  }
  for (auto& [token, probability] : probabilities) probability /= total;
  return probabilities;
}

/// Draws 40,000 times and compares with the exact probabilities: Pearson's chi squared, at a level that a
/// right sampler misses less than once in 10^5 (the draws are a function of the seed, so that this never
/// varies).
void check_draws(sampling_parameters const& parameters, std::vector<token_id> const& kept,
                 std::vector<float> const& from = row) {
  constexpr int draws = 40000;
  auto const expected = exact(from, static_cast<double>(parameters.temperature), kept);
  sampler subject(static_cast<std::uint32_t>(from.size()));
  sampling_state state(parameters, {}, {});
  std::map<token_id, int> counts;
  for (int index = 0; index < draws; ++index) {
    auto logits = from;
    auto const drawn = subject.sample(logits, state);
    REQUIRE(drawn.has_value());
    ++counts[drawn->token.token];
    state.add(drawn->token.token);
  }
  double chi_squared = 0;
  for (auto const& [token, count] : counts) {
    CAPTURE(token);
    CHECK(expected.contains(token));
  }
  for (auto const& [token, probability] : expected) {
    auto const mean = probability * draws;
    chi_squared += (counts[token] - mean) * (counts[token] - mean) / mean;
  }
  auto const freedom = static_cast<double>(expected.size()) - 1;
  CHECK(chi_squared < freedom + 4.5 * std::sqrt(2 * freedom) + 12);
}

std::vector<token_id> const everything{0, 1, 2, 3, 4, 5, 6, 7};

} // namespace

TEST_CASE("temperature 0 takes the likeliest token, the lowest id of several") {
  CHECK(greedy_after(at(0), {}, {}) == 0);
  sampler subject(40);
  std::vector<float> logits(40, 1.0F);
  logits[33] = logits[21] = 3.0F;
  sampling_state const state(at(0), {}, {});
  CHECK(subject.sample(logits, state)->token.token == 21);
}

TEST_CASE("top_k of 1 is greedy at any temperature") {
  auto parameters = at(50);
  parameters.top_k = 1;
  check_draws(parameters, {0});
}

TEST_CASE("without filters tokens are drawn with the probabilities of softmax at the temperature") {
  check_draws(at(1.0F), everything);
  check_draws(at(0.5F), everything);
  check_draws(at(2.0F), everything);
}

TEST_CASE("top_k draws among the k likeliest") {
  auto parameters = at(0.8F);
  parameters.top_k = 3;
  check_draws(parameters, {0, 6, 1});
  parameters.top_k = 100;
  check_draws(parameters, everything);
}

TEST_CASE("top_p draws from the smallest set of the likeliest tokens that reaches it") {
  // softmax(row): 0: 0.419, 6: 0.254, 1: 0.154, 2: 0.094, 3: 0.057, ...
  auto parameters = at(1.0F);
  parameters.top_p = 0.4F;
  check_draws(parameters, {0});
  parameters.top_p = 0.43F;
  check_draws(parameters, {0, 6});
  parameters.top_p = 0.68F;
  check_draws(parameters, {0, 6, 1});
}

TEST_CASE("top_p sees the distribution after the temperature") {
  auto parameters = at(0.3F); // 0: 0.81, 6: 0.15
  parameters.top_p = 0.8F;
  check_draws(parameters, {0});
}

TEST_CASE("top_p is a share of what top_k left") {
  auto parameters = at(1.0F);
  parameters.top_k = 2; // 0: 0.62, 6: 0.38
  parameters.top_p = 0.6F;
  check_draws(parameters, {0});
  parameters.top_p = 0.65F;
  check_draws(parameters, {0, 6});
}

TEST_CASE("top_p of a flat distribution over many tokens keeps its share of them") {
  std::vector<float> const flat(600, 1.0F);
  auto parameters = at(1.0F);
  parameters.top_p = 0.5F;
  std::vector<token_id> kept(300);
  std::iota(kept.begin(), kept.end(), 0);
  check_draws(parameters, kept, flat);
}

TEST_CASE("min_p keeps tokens with that share of the likeliest token's probability") {
  auto parameters = at(1.0F);
  parameters.min_p = 0.3F; // 6: 0.607, 1: 0.368, 2: 0.223
  check_draws(parameters, {0, 6, 1});
  parameters.top_p = 0.6F;
  check_draws(parameters, {0, 6});
  parameters.top_p = 1;
  parameters.top_k = 2;
  check_draws(parameters, {0, 6});
  parameters.top_k = 0;
  parameters.min_p = 1;
  check_draws(parameters, {0});
}

TEST_CASE("min_p sees the distribution after the temperature") {
  auto parameters = at(0.5F); // 6: 0.368, 1: 0.135
  parameters.min_p = 0.3F;
  check_draws(parameters, {0, 6});
}

TEST_CASE("a bias is added to its token's logit") {
  CHECK(greedy_after(at(0), {}, {}, {{7, 11.5F}}) == 7);
  CHECK(greedy_after(at(0), {}, {}, {{0, -100.0F}}) == 6);
  CHECK(greedy_after(at(0), {}, {}, {{0, -100.0F}, {6, -100.0F}}) == 1);
}

TEST_CASE(
    "the repetition penalty divides positive logits and multiplies negative ones, in prompt and output") {
  auto parameters = at(0);
  parameters.repetition_penalty = 1.5F; // 2.0 becomes 1.33
  CHECK(greedy_after(parameters, {0}, {}) == 6);
  CHECK(greedy_after(parameters, {}, {0}) == 6);
  CHECK(greedy_after(parameters, {0, 6}, {}) == 0);
  CHECK(greedy_after(parameters, {0, 0, 0, 6}, {0, 0}) == 0); // once, however often
  parameters.repetition_penalty = 0.1F;                       // -1.5 becomes -0.15, 0.5 becomes 5
  CHECK(greedy_after(parameters, {2, 5}, {}) == 2);
}

TEST_CASE("frequency and presence penalties look at the output alone") {
  auto parameters = at(0);
  parameters.presence_penalty = 0.6F;
  CHECK(greedy_after(parameters, {0, 0, 0}, {}) == 0);
  CHECK(greedy_after(parameters, {}, {0}) == 6);
  CHECK(greedy_after(parameters, {}, {0, 0, 0, 6}) == 0); // presence counts once
  parameters.presence_penalty = 0;
  parameters.frequency_penalty = 0.2F;
  CHECK(greedy_after(parameters, {0, 0, 0}, {0, 0}) == 0);
  CHECK(greedy_after(parameters, {}, {0, 0, 0}) == 6);
  parameters.frequency_penalty = -2;
  CHECK(greedy_after(parameters, {}, {3, 3}) == 3);
}

TEST_CASE("log probabilities are those of the row before any parameter") {
  sampling_parameters parameters = at(0);
  parameters.logprobs = true;
  parameters.top_logprobs = 3;
  std::vector<logit_bias> const bias{{7, 20.0F}};
  sampling_state const state(parameters, ephemeral_buffer<logit_bias>(bias), {});
  sampler subject(8);
  auto logits = row;
  auto const drawn = subject.sample(logits, state);
  auto const probabilities = exact(row, 1, everything);
  CHECK(drawn->token.token == 7);
  CHECK(static_cast<double>(drawn->token.logprob) == Approx(std::log(probabilities.at(7))).epsilon(1e-6));
  auto const top = drawn->top.reveal();
  REQUIRE(top.size() == 3);
  std::vector<token_id> const best{0, 6, 1};
  for (std::size_t index = 0; index < 3; ++index) {
    CHECK(top[index].token == best[index]);
    CHECK(static_cast<double>(top[index].logprob) ==
          Approx(std::log(probabilities.at(best[index]))).epsilon(1e-6));
  }
}

TEST_CASE("the same seed draws the same tokens, another seed others") {
  auto const draw_forty = [](std::uint64_t seed) {
    auto parameters = at(1.5F);
    parameters.seed = seed;
    sampling_state state(parameters, {}, {});
    sampler subject(8);
    std::vector<token_id> drawn;
    for (int index = 0; index < 40; ++index) {
      auto logits = row;
      drawn.push_back(subject.sample(logits, state)->token.token);
      state.add(drawn.back());
    }
    return drawn;
  };
  CHECK(draw_forty(5) == draw_forty(5));
  CHECK(draw_forty(5) != draw_forty(6));
}

TEST_CASE("without a seed two sequences draw differently") {
  auto parameters = at(1);
  parameters.seed.reset();
  sampling_state const first(parameters, {}, {});
  sampling_state const second(parameters, {}, {});
  CHECK(first.seed() != second.seed());
}

TEST_CASE("logits that are no distribution are refused") {
  sampler subject(8);
  sampling_state const state(at(1), {}, {});
  auto logits = row;
  logits[4] = std::numeric_limits<float>::quiet_NaN();
  auto const drawn = subject.sample(logits, state);
  REQUIRE_FALSE(drawn.has_value());
  CHECK(drawn.failure().code == errc::backend_failed);
}

TEST_CASE("a tiny temperature does not divide by zero") {
  check_draws(at(std::numeric_limits<float>::denorm_min()), {0});
  auto parameters = at(1e-30F);
  parameters.top_p = 0.9F;
  check_draws(parameters, {0});
}

TEST_CASE("sampling keeps no content once its state and scratch are wiped") {
  sampler subject(8);
  auto const before = locked_memory_usage().in_use_bytes;
  auto parameters = at(1);
  parameters.repetition_penalty = 1.2F;
  parameters.top_p = 0.9F;
  sampling_state state(parameters, {}, std::vector<token_id>{1, 2, 3});
  state.add(4);
  auto logits = row;
  REQUIRE(subject.sample(logits, state).has_value());
  CHECK(state.wipe() == 4 * sizeof(token_counts::entry) + 8);
  CHECK(state.seed() == 0);
  subject.wipe();
  CHECK(locked_memory_usage().in_use_bytes == before);
}

TEST_CASE("an account that comes starts level with the least served one") {
  fair_share shares;
  shares.enter(1);
  shares.enter(2);
  shares.charge(1, 100);
  shares.charge(2, 40);
  shares.enter(3);
  CHECK(shares.served(3) == 40);
  shares.leave(2);
  shares.enter(2);
  CHECK(shares.served(2) == 40);
  shares.leave(2);
  shares.leave(3);
  shares.enter(2);
  CHECK(shares.served(2) == 100);
}
