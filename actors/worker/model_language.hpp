#pragma once
// A model's language as the worker needs it: a request to tokens, tokens to text. A contract, so that the
// worker is tested without a vocabulary.
#include "protocol/base/result.hpp"
#include "protocol/messages/inference.hpp"

#include <memory>
#include <span>

namespace mayfly::actors {

struct prepared_prompt {
  ephemeral_tokens tokens;
  ephemeral_text echo; ///< the prompt's text, where the request wants it back
};

/// One sequence's tokens on their way to text. What `take` and `finish` append is whole UTF-8 and holds no
/// byte of a stop string.
class text_stream {
public:
  virtual ~text_stream() = default;
  virtual void take(token_id token, ephemeral_text& out) = 0;
  /// The tokens have ended: appends what was held back.
  virtual void finish(ephemeral_text& out) = 0;
  /// True once a stop string came.
  virtual bool stopped() const noexcept = 0;
};

/// Immutable, shared by threads.
class model_language {
public:
  virtual ~model_language() = default;
  /// Applies the chat template where the request is a conversation, and tokenises; a text that cannot fit
  /// into `context_tokens` is not tokenised. Errors: invalid_request, context_length_exceeded (`number`: the
  /// context), too_large, unsupported, out_of_memory.
  virtual result<prepared_prompt> prepare(messages::infer const& request,
                                          std::uint32_t context_tokens) const = 0;
  virtual std::unique_ptr<text_stream> open(std::span<ephemeral_text const> stops) const = 0;
  /// Appends a token's own bytes, which may be a part of a character: for log probabilities.
  virtual void append_bytes(token_id token, ephemeral_text& out) const = 0;
  /// Tokens that end an answer.
  virtual std::span<token_id const> stop_tokens() const noexcept = 0;
};

} // namespace mayfly::actors
