#pragma once
// Arithmetic over one row of logits: the sampler's tools, without its policy. Where logits tie, the lower
// token id comes first.
#include "protocol/base/ephemeral.hpp"

#include <optional>
#include <span>

namespace mayfly::gpu {

struct candidate {
  token_id token = 0;
  float logit = 0;
  double weight = 0; ///< proportional to its probability
};
using candidates = ephemeral_buffer<candidate>;

/// The largest logit; nothing if one is NaN or positive infinity, or all are negative infinity: then there is
/// no distribution. Precondition: not empty.
std::optional<float> largest_logit(std::span<float const> logits) noexcept;

/// The first token that has the logit `largest`.
token_id first_token_with(std::span<float const> logits, float largest) noexcept;

/// The natural logarithm of the sum of exp(logit), accumulated in double.
double log_sum_exp(std::span<float const> logits, float largest) noexcept;

/// Replaces `chosen` by the `count` tokens with the largest logits, best first; weights are left 0. Runs over
/// the row once and keeps a heap of `count`; the row is never sorted.
void select_best(std::span<float const> logits, std::size_t count, candidates& chosen);

/// Replaces `chosen` by the tokens with a logit of at least `threshold`, by ascending id; weights are left 0.
void select_above(std::span<float const> logits, float threshold, candidates& chosen);

/// Writes exp((logit - largest) / temperature) for each token (relative error below 2^-22; 0 below 2^-125)
/// and returns their sum, accumulated in double. Precondition: temperature > 0, `weights` as long as
/// `logits`.
double exponentiate(std::span<float const> logits, float largest, float temperature,
                    std::span<float> weights) noexcept;

/// Replaces `chosen` by the smallest set of the tokens with the largest logits whose weights reach `wanted`
/// (all tokens if they do not), in no particular order. `weights` are those of `exponentiate`. Sorts only the
/// tokens about as likely as the last one taken; `sums` is scratch.
void select_nucleus(std::span<float const> logits, std::span<float const> weights, double wanted,
                    ephemeral_buffer<double>& sums, candidates& chosen);

/// The token at which the running sum of `weights` passes `share` (in [0, 1)) of `total`.
token_id draw(std::span<float const> weights, double total, double share) noexcept;

/// The same among candidates, in their order. Precondition: not empty.
token_id draw(std::span<candidate const> chosen, double share) noexcept;

} // namespace mayfly::gpu
