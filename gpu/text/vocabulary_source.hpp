#pragma once
// What a model file says about its text: plain data, so that any format can fill it.
#include "protocol/base/ephemeral.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mayfly::gpu {

/// Numbered as GGUF's tokenizer.ggml.token_type.
enum class token_type : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,      ///< special: steers the model, never part of a text
  user_defined = 4, ///< added after training the vocabulary; matched whole
  unused = 5,
  byte = 6,
};

enum class text_normalizer : std::uint8_t { as_pre_tokenizer, none, nfc };

/// Views stay valid while the tokeniser is made; it keeps copies of what it needs.
struct vocabulary_source {
  std::string_view model = "gpt2"; ///< tokenizer.ggml.model; "gpt2" is byte-level BPE
  std::string_view pre;            ///< tokenizer.ggml.pre; empty: "default"
  std::vector<std::string_view>
      tokens;                    ///< by id; normal ones in GPT-2's byte mapping, added ones as they are
  std::vector<token_type> types; ///< by id; empty: all normal
  std::vector<std::string_view> merges; ///< "left right", best first
  std::optional<token_id> bos, eos, eot, eom, unk, pad;
  std::optional<bool> add_bos; ///< none: what the pre-tokeniser's family does
  text_normalizer normalizer = text_normalizer::as_pre_tokenizer;
  std::string_view chat_template; ///< Jinja; empty: none
};

} // namespace mayfly::gpu
