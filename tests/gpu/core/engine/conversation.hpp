#pragma once
// Drives an engine to the end of its sequences and keeps what each one got.
#include "gpu/engine.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

namespace mayfly::gpu::testing {

/// What one sequence got.
struct outcome {
  std::vector<token_id> tokens;
  std::vector<float> logprobs;
  finish_reason finish = finish_reason::none;
  errc failure = errc::ok;
  std::size_t wiped_bytes = 0;
};
using outcomes = std::map<sequence_handle, outcome>;

inline sequence_request request_for(std::vector<token_id> const& prompt, std::uint32_t max_tokens) {
  sequence_request request;
  request.prompt = ephemeral_tokens(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  return request;
}

/// Prompts that differ in length and content.
inline std::vector<token_id> prompt_number(std::uint32_t number, std::uint32_t length,
                                           std::uint32_t vocabulary = 48) {
  std::vector<token_id> prompt;
  for (std::uint32_t index = 0; index < length; ++index)
    prompt.push_back(static_cast<token_id>((number * 31 + index * index * 7 + index * 3 + 5) % vocabulary));
  return prompt;
}

inline sequence_handle must_submit(engine& subject, sequence_request request) {
  auto handle = subject.submit(std::move(request));
  REQUIRE(handle.has_value());
  return *handle;
}

inline void step_into(engine& subject, outcomes& got) {
  for (auto const& event : subject.step()) {
    auto& mine = got[event.sequence];
    CHECK(mine.finish == finish_reason::none);
    if (event.has_token) {
      mine.tokens.push_back(event.token.token);
      mine.logprobs.push_back(event.token.logprob);
    }
    mine.finish = event.finish;
    mine.failure = event.failure.code;
    mine.wiped_bytes = event.wiped_bytes;
  }
}

/// Steps until nothing can advance. Fails if that takes more steps than any schedule needs.
inline void run(engine& subject, outcomes& got, std::size_t most_steps = 20000) {
  std::size_t steps = 0;
  while (subject.has_work() && steps < most_steps) {
    step_into(subject, got);
    ++steps;
  }
  REQUIRE_FALSE(subject.has_work());
}

inline outcomes run(engine& subject) {
  outcomes got;
  run(subject, got);
  return got;
}

} // namespace mayfly::gpu::testing
