#pragma once
// What a worker takes: judged before any of its content is touched, and again once its length is known. Pure.
#include "protocol/base/result.hpp"
#include "protocol/messages/inference.hpp"

namespace mayfly::actors {

/// Errors: draining, model_not_found, deadline_exceeded (no time is left), invalid_request (no prompt, too
/// many stop strings, no credit).
result<void> judge_request(messages::infer const& request, bool draining, bool model_served);

/// How many tokens may be generated: what was asked for, or all that the context leaves. Errors:
/// context_length_exceeded (`number`: the context).
result<std::uint32_t> room_for_answer(std::size_t prompt_tokens, std::uint32_t max_tokens,
                                      std::uint32_t context_tokens);

} // namespace mayfly::actors
