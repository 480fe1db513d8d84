#include "actors/worker/admission.hpp"

namespace mayfly::actors {
namespace {

constexpr std::size_t most_stop_strings = 4;

bool has_prompt(messages::infer const& request) {
  switch (request.kind) {
  case messages::prompt_kind::chat:
    return !request.messages.empty();
  case messages::prompt_kind::text:
    return true; // may be empty: a model that begins with a token of its own continues that
  case messages::prompt_kind::tokens:
    return !request.prompt_tokens.empty();
  }
  return false;
}

} // namespace

result<void> judge_request(messages::infer const& request, bool draining, bool model_served) {
  if (draining) return error{errc::draining, "this worker takes nothing new", 0};
  if (!model_served) return error{errc::model_not_found, "this worker does not serve the model", 0};
  if (request.time_left.count() <= 0) return error{errc::deadline_exceeded, "no time is left", 0};
  if (!has_prompt(request)) return error{errc::invalid_request, "a request without a prompt", 0};
  if (request.stop.size() > most_stop_strings)
    return error{errc::invalid_request, "too many stop strings",
                 static_cast<std::int64_t>(request.stop.size())};
  if (request.credit == 0) return error{errc::invalid_request, "a request without credit", 0};
  return {};
}

result<std::uint32_t> room_for_answer(std::size_t prompt_tokens, std::uint32_t max_tokens,
                                      std::uint32_t context_tokens) {
  error const too_long{errc::context_length_exceeded, "prompt and max_tokens exceed the context",
                       context_tokens};
  if (prompt_tokens >= context_tokens) return too_long;
  auto const left = static_cast<std::uint32_t>(context_tokens - prompt_tokens);
  if (max_tokens > left) return too_long;
  return max_tokens == 0 ? left : max_tokens;
}

} // namespace mayfly::actors
