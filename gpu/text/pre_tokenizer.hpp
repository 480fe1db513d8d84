#pragma once
// Cutting text into the pieces that byte-pair merges never cross. Model files name the way they want it
// (tokenizer.ggml.pre); the expressions are those of the models' own tokenizer.json files.
#include "gpu/text/pattern.hpp"

#include <string_view>
#include <vector>

namespace mayfly::gpu {

/// What a named family does beside cutting.
struct pre_tokenizer_traits {
  bool whole_pieces_first = false; ///< a piece that is a token itself is not merged ("ignore_merges")
  bool add_bos = false;            ///< unless the model file says otherwise
  bool nfc = false;                ///< normalises to NFC first
};

class pre_tokenizer {
public:
  /// Errors: unsupported (a name we do not know), configuration.
  static result<pre_tokenizer> make(std::string_view name);

  pre_tokenizer_traits const& traits() const noexcept { return traits_; }

  /// Calls `take(piece)` for each piece of `text` (valid UTF-8), in order; together they are the text. Each
  /// stage cuts the pieces of the one before at its matches and at what lies between them.
  template <class Take>
  void split(std::string_view text, pattern_matcher& matcher, Take const& take) const {
    split_from(0, text, matcher, take);
  }

private:
  template <class Take>
  void split_from(std::size_t stage, std::string_view text, pattern_matcher& matcher,
                  Take const& take) const {
    if (text.empty()) return;
    if (stage == stages_.size()) return take(text);
    std::size_t done = 0;
    while (done < text.size()) {
      auto const found = next_match(stage, text, done, matcher);
      split_from(stage + 1, text.substr(done, found.first - done), matcher, take);
      split_from(stage + 1, text.substr(found.first, found.second - found.first), matcher, take);
      done = found.second;
    }
  }

  /// The next match that is not empty, or [size, size).
  std::pair<std::size_t, std::size_t> next_match(std::size_t stage, std::string_view text, std::size_t from,
                                                 pattern_matcher& matcher) const;

  std::vector<pattern> stages_;
  pre_tokenizer_traits traits_;
};

} // namespace mayfly::gpu
