#include "gpu/engine/sampler.hpp"

#include "gpu/engine/random.hpp"
#include "protocol/base/ids.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mayfly::gpu {
namespace {

void adjust(std::span<float> logits, sampling_state const& state) {
  for (auto const& each : state.bias()) logits[static_cast<std::size_t>(each.token)] += each.bias;
  if (!state.penalises()) return;
  auto const& parameters = state.parameters();
  for (auto const& [token, in_output] : state.counts().entries()) {
    auto& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / parameters.repetition_penalty : logit * parameters.repetition_penalty;
    if (in_output == 0) continue;
    logit -= static_cast<float>(in_output) * parameters.frequency_penalty + parameters.presence_penalty;
  }
}

/// Weights of the candidates, and their sum.
double weigh(std::span<candidate> chosen, float largest, float temperature) {
  double total = 0;
  for (auto& each : chosen) {
    each.weight = std::exp((static_cast<double>(each.logit) - static_cast<double>(largest)) /
                           static_cast<double>(temperature));
    total += each.weight;
  }
  return total;
}

/// How many of the candidates, best first, it takes to reach `mass`; more than there are if they do not.
std::size_t count_to_reach(std::span<candidate const> chosen, double mass) {
  double sum = 0;
  for (std::size_t index = 0; index < chosen.size(); ++index) {
    sum += chosen[index].weight;
    if (sum >= mass) return index + 1;
  }
  return chosen.size() + 1;
}

} // namespace

sampling_state::sampling_state(sampling_parameters const& parameters, ephemeral_buffer<logit_bias> bias,
                               std::span<token_id const> prompt)
    : parameters_(parameters), bias_(std::move(bias)),
      seed_(parameters.seed ? *parameters.seed : random_bits()) {
  if (penalises()) counts_.add_prompt(prompt);
}

bool sampling_state::penalises() const noexcept {
  return parameters_.repetition_penalty != 1.0F || parameters_.frequency_penalty != 0 ||
         parameters_.presence_penalty != 0;
}

double sampling_state::share() const noexcept { return random_unit(seed_, generated_); }

void sampling_state::add(token_id token) {
  ++generated_;
  if (penalises()) counts_.add_output(token);
}

std::size_t sampling_state::wipe() noexcept {
  auto const bytes = bias_.size_bytes() + counts_.size_bytes() + sizeof seed_;
  bias_.clear();
  counts_.clear();
  mayfly::wipe(&seed_, sizeof seed_);
  return bytes;
}

result<sampled_token> sampler::sample(std::span<float> logits, sampling_state const& state) {
  auto const raw_largest = largest_logit(logits);
  if (!raw_largest) return error{errc::backend_failed, "the model's logits are not finite", 0};
  auto const& parameters = state.parameters();
  sampled_token sampled;
  double normaliser = 0;
  if (parameters.logprobs) {
    normaliser = log_sum_exp(logits, *raw_largest);
    raw_.resize(logits.size());
    std::copy(logits.begin(), logits.end(), raw_.reveal().begin());
    select_best(logits, parameters.top_logprobs, candidates_);
    for (auto const& each : candidates_.reveal())
      sampled.top.push_back({each.token, static_cast<float>(static_cast<double>(each.logit) - normaliser)});
  }
  bool const adjusts = state.penalises() || !state.bias().empty();
  if (adjusts) adjust(logits, state);
  auto const largest = adjusts ? largest_logit(logits) : raw_largest;
  if (!largest) return error{errc::backend_failed, "the adjusted logits are not finite", 0};
  sampled.token.token = choose(logits, *largest, state);
  if (parameters.logprobs) {
    auto const raw = raw_.reveal()[static_cast<std::size_t>(sampled.token.token)];
    sampled.token.logprob = static_cast<float>(static_cast<double>(raw) - normaliser);
  }
  return sampled;
}

token_id sampler::choose(std::span<float const> logits, float largest, sampling_state const& state) {
  auto const& parameters = state.parameters();
  if (parameters.temperature == 0 || parameters.top_k == 1) return first_token_with(logits, largest);
  auto const share = state.share();
  bool const all = parameters.top_k == 0 && parameters.top_p >= 1 && parameters.min_p <= 0;
  if (all) {
    used_weights_ = true;
    auto const total = exponentiate(logits, largest, parameters.temperature, weights_.reveal());
    return draw(weights_.reveal(), total, share);
  }
  narrow(logits, largest, parameters);
  return draw(candidates_.reveal(), share);
}

void sampler::narrow(std::span<float const> logits, float largest, sampling_parameters const& parameters) {
  if (parameters.top_k > 0) {
    select_best(logits, static_cast<std::size_t>(parameters.top_k), candidates_);
    auto const total = weigh(candidates_.reveal(), largest, parameters.temperature);
    if (parameters.top_p < 1) {
      auto const wanted = total * static_cast<double>(parameters.top_p);
      candidates_.resize(std::min(candidates_.size(), count_to_reach(candidates_.reveal(), wanted)));
    }
  } else if (parameters.top_p < 1) {
    used_weights_ = true;
    auto const total = exponentiate(logits, largest, parameters.temperature, weights_.reveal());
    auto const wanted = total * static_cast<double>(parameters.top_p);
    select_nucleus(logits, weights_.reveal(), wanted, sums_, candidates_);
  } else {
    auto const below = parameters.temperature * std::log(parameters.min_p);
    // A margin for the rounding of the threshold; the exact test follows.
    select_above(logits, largest + below - 1e-3F * (1 + std::abs(below)), candidates_);
    weigh(candidates_.reveal(), largest, parameters.temperature);
  }
  if (parameters.min_p <= 0) return;
  // The likeliest token weighs 1, so that its own share of it is a weight.
  auto const chosen = candidates_.reveal();
  // Not stable_partition: it would copy candidates through a buffer that nobody wipes.
  auto const kept = std::remove_if(chosen.begin(), chosen.end(), [&](candidate const& each) {
    return each.weight < static_cast<double>(parameters.min_p);
  });
  candidates_.resize(static_cast<std::size_t>(kept - chosen.begin()));
}

void sampler::wipe() noexcept {
  if (used_weights_) mayfly::wipe(weights_.reveal().data(), weights_.size_bytes());
  used_weights_ = false;
  raw_.clear();
  candidates_.clear();
  sums_.clear();
}

result<void> validate(sampling_parameters const& parameters, std::span<logit_bias const> bias,
                      std::uint32_t vocabulary) {
  auto const refuse = [](literal what) { return error{errc::invalid_request, what, 0}; };
  auto const within = [](float value, float low, float high) { return value >= low && value <= high; };
  if (!within(parameters.temperature, 0, 100)) return refuse("temperature is out of range");
  if (!within(parameters.top_p, 0, 1) || parameters.top_p == 0) return refuse("top_p is out of range");
  if (parameters.top_k < 0) return refuse("top_k is out of range");
  if (!within(parameters.min_p, 0, 1)) return refuse("min_p is out of range");
  if (!within(parameters.repetition_penalty, 0.01F, 100)) return refuse("repetition_penalty is out of range");
  if (!within(parameters.frequency_penalty, -2, 2)) return refuse("frequency_penalty is out of range");
  if (!within(parameters.presence_penalty, -2, 2)) return refuse("presence_penalty is out of range");
  if (parameters.top_logprobs > 20) return refuse("top_logprobs is out of range");
  for (std::size_t index = 0; index < bias.size(); ++index) {
    auto const& each = bias[index];
    bool const known = each.token >= 0 && static_cast<std::uint32_t>(each.token) < vocabulary;
    if (!known || !within(each.bias, -1e4F, 1e4F))
      return error{errc::invalid_request, "a logit_bias is out of range", static_cast<std::int64_t>(index)};
  }
  return {};
}

} // namespace mayfly::gpu
