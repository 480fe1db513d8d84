#include "gpu/text/end_of_generation.hpp"

#include <algorithm>

namespace mayfly::gpu {
namespace {

// Names as llama.cpp's vocabulary loader (src/llama-vocab.cpp) knows them.
constexpr std::string_view end_names[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>",
    "[e~[",
    // what follows the end of a file in training data
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
    "<REPO>", "<reponame>", "<|file_sep|>"};

constexpr std::string_view harmony_names[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

/// Files made by old converters have these as normal tokens. Names of another shape are ordinary text then:
/// "</s>" is a token of Qwen's for HTML.
bool is_unmistakable(std::string_view name) noexcept {
  return name.starts_with("<|") || name.starts_with("<｜");
}

/// True if `token` was among the ends.
bool remove_end(std::vector<token_id>& ends, token_id token) { return std::erase(ends, token) > 0; }

} // namespace

std::vector<token_id> find_end_of_generation(vocabulary& tokens, vocabulary_source const& source) {
  std::vector<token_id> ends;
  auto const has = [&](std::string_view name) { return tokens.spelled(name) != no_token; };
  for (auto const name : end_names) {
    auto const token = tokens.spelled(name);
    if (token == no_token || (tokens.type(token) == token_type::normal && !is_unmistakable(name))) continue;
    tokens.mark_control(token);
    ends.push_back(token);
  }
  for (auto const token : {source.eos, source.eot, source.eom})
    if (token) ends.push_back(*token);
  for (auto const name : harmony_names)
    if (auto const token = tokens.spelled(name); token != no_token) tokens.mark_user_defined(token);
  // In the harmony format <|end|> closes a message, not the answer.
  auto const harmony =
      (has("<|return|>") && has("<|call|>")) || ((has("<|call|>") || has("<|calls|>")) && has("<|flush|>"));
  if (harmony && remove_end(ends, tokens.spelled("<|end|>")))
    tokens.mark_user_defined(tokens.spelled("<|end|>"));
  // These models have </s> as ordinary text.
  if ((has("<|tool_response>") || has("<|plamo:eos|>")) && remove_end(ends, tokens.spelled("</s>")))
    tokens.mark_normal(tokens.spelled("</s>"));
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

} // namespace mayfly::gpu
