#pragma once
// Tokens to text as they come: whole characters only, and never a byte of a stop string.
#include "gpu/text/stop_matcher.hpp"
#include "gpu/text/tokenizer.hpp"

namespace mayfly::gpu {

/// One sequence's. Whatever the tokens' boundaries, what it releases adds up to the same text.
class detokenizer {
public:
  /// `stops` end the text where the first of them is complete; empty ones are ignored.
  detokenizer(std::shared_ptr<tokenizer const> tokens, std::span<ephemeral_text const> stops);

  /// Takes the next token and appends what is now certain to `out`: valid UTF-8, with U+FFFD where bytes can
  /// never make a character. Control tokens are no text. Does nothing once stopped.
  void take(token_id token, ephemeral_text& out);

  /// The tokens have ended: releases what was held back. An unfinished character becomes U+FFFD.
  void finish(ephemeral_text& out);

  /// True once a stop string has come; its text and what follows were not released.
  bool stopped() const noexcept { return stopped_; }

private:
  void take_bytes(ephemeral_text& out, bool last);
  void take_text(std::string_view text);
  void release(ephemeral_text& out, std::size_t kept);

  std::shared_ptr<tokenizer const> tokens_;
  stop_matcher stops_;
  ephemeral_text bytes_; ///< the beginning of a character
  ephemeral_text held_;  ///< text that may turn out to be a stop string
  bool stopped_ = false;
};

} // namespace mayfly::gpu
