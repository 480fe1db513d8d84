#pragma once
// What mayfly_oracle answers: one function a subcommand, each from frames to frames (frames.hpp).
#include "protocol/base/result.hpp"

#include <filesystem>

namespace mayfly::oracle {

enum class special_tokens : std::uint8_t { stay_text, match_everywhere };

/// Text frames in, frames of 32-bit ids out.
result<void> answer_tokenize(std::filesystem::path const& model, special_tokens special);

/// Frames of ids in, frames of the bytes that they stand for out; control tokens included.
result<void> answer_detokenize(std::filesystem::path const& model);

/// Frames of ids in; for each a frame of float logits[tokens][vocabulary] out.
result<void> answer_logits(std::filesystem::path const& model);

/// Frames in, for each question: a template's source, bos, eos, "1" to prompt for an answer or "0", the time
/// in unix seconds, the number of messages, then a role and a content each. Pairs out: "text" and the text,
/// or "error" and why.
result<void> answer_render();

} // namespace mayfly::oracle
