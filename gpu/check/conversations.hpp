#pragma once
// Engines over a device that a check holds in its hands, and what they generate.
#include "gpu/engine/paged_engine.hpp"

#include <filesystem>
#include <vector>

namespace mayfly::gpu::check {

struct engine_size {
  std::uint32_t step_tokens = 256;
  std::uint32_t sequences = 4;
  std::uint32_t blocks = 64; ///< of 16 tokens
  std::uint32_t context_tokens = 512;
};

/// Throws where the model cannot be loaded.
std::unique_ptr<paged_engine> load_engine(std::filesystem::path const& model, std::unique_ptr<backend> device,
                                          engine_size const& size);

/// A prompt of made-up tokens, greedy, to the last token.
sequence_request request_number(std::uint32_t number, std::uint32_t prompt_tokens,
                                std::uint32_t generated_tokens, std::uint32_t vocabulary);

struct generated {
  std::vector<token_id> tokens;
  std::vector<float> logprobs;
  std::vector<float> margins; ///< from the best token to the second; empty unless two were asked for
};

/// Runs requests side by side to their end. Throws where one fails.
std::vector<generated> generate(engine& subject, std::vector<sequence_request> requests);

} // namespace mayfly::gpu::check
