#pragma once
// Token ids and their bytes, and which pairs of tokens merge into which. Holds no content.
#include "gpu/text/vocabulary_source.hpp"
#include "protocol/base/result.hpp"

#include <array>
#include <span>
#include <string>
#include <unordered_map>

namespace mayfly::gpu {

inline constexpr token_id no_token = -1;

/// How two neighbours merge: the lower rank goes first.
struct merge_rule {
  std::uint32_t rank = UINT32_MAX;
  token_id merged = no_token;
};

class vocabulary {
public:
  /// Errors: malformed (no tokens, more than 2^24, types or special ids that do not fit the tokens).
  static result<vocabulary> make(vocabulary_source const& source);

  std::size_t size() const noexcept { return types_.size(); }
  bool contains(token_id token) const noexcept {
    return token >= 0 && static_cast<std::size_t>(token) < size();
  }

  /// The bytes that a token stands for; empty outside the vocabulary.
  std::string_view bytes(token_id token) const noexcept;
  token_type type(token_id token) const noexcept { return types_[static_cast<std::size_t>(token)]; }

  /// The token for one byte, or `no_token`.
  token_id byte_token(unsigned char byte) const noexcept { return byte_tokens_[byte]; }

  /// The token that a piece of text is as a whole, or `no_token`; added tokens are none.
  token_id whole_token(std::string_view bytes) const noexcept;

  /// The added or normal token with exactly this text as the model file spells it, or `no_token`.
  token_id spelled(std::string_view text) const noexcept;

  merge_rule merge_of(token_id left, token_id right) const noexcept;

  /// Makes `token` a control token whatever the file says (files err on end-of-turn tokens).
  void mark_control(token_id token) noexcept {
    types_[static_cast<std::size_t>(token)] = token_type::control;
  }
  void mark_user_defined(token_id token) noexcept {
    types_[static_cast<std::size_t>(token)] = token_type::user_defined;
  }
  void mark_normal(token_id token) noexcept { types_[static_cast<std::size_t>(token)] = token_type::normal; }

private:
  struct merge_slot {
    std::uint64_t pair = UINT64_MAX;
    merge_rule rule;
  };

  result<void> take_tokens(vocabulary_source const& source);
  void take_merges(vocabulary_source const& source);
  void index();

  std::string blob_;                  ///< bytes of all tokens, one after the other
  std::vector<std::uint32_t> starts_; ///< by id, and one more: where its bytes begin in blob_
  std::vector<token_type> types_;
  std::array<token_id, 256> byte_tokens_{};
  std::unordered_map<std::string, token_id> spelled_; ///< by the file's spelling
  std::vector<token_id> whole_;                       ///< open addressing by bytes; power of two
  std::vector<merge_slot> merges_;                    ///< open addressing by pair; power of two
};

} // namespace mayfly::gpu
