#pragma once
// Text to token ids and back: byte-level BPE. Content comes and goes in ephemeral memory; nothing of it
// stays.
#include "gpu/text/added_tokens.hpp"
#include "gpu/text/pre_tokenizer.hpp"
#include "gpu/text/template_output.hpp"
#include "gpu/text/vocabulary.hpp"

#include <memory>
#include <span>

namespace mayfly::gpu {

/// Immutable and shared by threads.
class tokenizer {
public:
  /// Errors: unsupported (not byte-level BPE, an unknown pre-tokeniser), malformed (see `vocabulary::make`).
  static result<std::shared_ptr<tokenizer const>> make(vocabulary_source const& source);

  tokenizer(vocabulary_source const& source, vocabulary tokens, pre_tokenizer pieces);

  /// Plain text, such as a completion's prompt: the text of a special token stays text. Any bytes are
  /// encoded; where they are no UTF-8, byte by byte. No token is put in front: see `adds_bos`.
  ephemeral_tokens encode(std::string_view text) const;

  /// A chat template's output: special tokens match inside the template's own spans, and nowhere else.
  ephemeral_tokens encode(template_output const& prompt) const;

  /// A lower bound of how many tokens `bytes` of text become, without looking at them.
  std::size_t least_tokens(std::size_t bytes) const noexcept;

  /// Appends what `token` stands for; control tokens only where `special` is set.
  void decode(token_id token, ephemeral_text& out, bool special) const;

  /// The bytes of a token; views the vocabulary. They may be part of a character. Empty for an unknown id.
  std::string_view bytes(token_id token) const noexcept { return tokens_.bytes(token); }

  /// True for tokens that steer the model and are no text.
  bool is_special(token_id token) const noexcept;

  std::size_t size() const noexcept { return tokens_.size(); }
  std::optional<token_id> bos() const noexcept { return bos_; }
  std::optional<token_id> eos() const noexcept { return eos_; }
  /// True if plain prompts begin with `bos`. (Chat templates write it themselves.)
  bool adds_bos() const noexcept { return adds_bos_; }
  /// Ascending; an answer ends where one of these is generated.
  std::span<token_id const> end_of_generation() const noexcept { return ends_; }

private:
  struct workspace;
  ephemeral_tokens encode_parts(std::string_view text, std::span<text_span const> own) const;
  void encode_segment(std::string_view text, workspace& work) const;
  void encode_valid(std::string_view text, workspace& work) const;

  vocabulary tokens_;
  std::vector<token_id> ends_;
  added_tokens added_;
  pre_tokenizer pieces_;
  std::optional<token_id> bos_, eos_;
  bool adds_bos_ = false;
  bool nfc_ = false;
  std::size_t longest_token_ = 1; ///< in bytes
};

} // namespace mayfly::gpu
