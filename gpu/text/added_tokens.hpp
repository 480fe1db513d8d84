#pragma once
// Finds tokens that were added to a vocabulary (special ones above all) in text, whole and before anything
// else.
#include "gpu/text/template_output.hpp"
#include "gpu/text/vocabulary.hpp"

#include <array>
#include <optional>
#include <span>

namespace mayfly::gpu {

/// Where an added token may match.
enum class added_scope : std::uint8_t {
  own,      ///< only in the template's own text: control tokens, and whatever looks like markup
  anywhere, ///< in content too: user-defined tokens that are ordinary text, such as runs of spaces
};

struct added_match {
  std::size_t begin = 0;
  std::size_t end = 0;
  token_id token = no_token;
};

class added_tokens {
public:
  /// `tokens` must outlive this.
  explicit added_tokens(vocabulary const& tokens);

  /// The leftmost match in `text` that begins at `from` or later, the longest where several begin there.
  /// Tokens of scope `own` match only inside one of the spans `own` (ascending, disjoint).
  std::optional<added_match> find(std::string_view text, std::size_t from,
                                  std::span<text_span const> own) const noexcept;

private:
  /// The longest token that `text` has at `at`; those of scope `own` must end at `own_end` or before.
  token_id longest_at(std::string_view text, std::size_t at, std::size_t own_end) const noexcept;

  struct entry {
    std::string_view text; ///< in the vocabulary
    token_id token;
    added_scope scope;
  };

  std::size_t length_of(token_id token) const noexcept;

  vocabulary const* tokens_;
  std::vector<entry> entries_;                                       ///< by first byte, longest first
  std::array<std::pair<std::uint32_t, std::uint32_t>, 256> first_{}; ///< range of entries_ by first byte
  bool any_anywhere_ = false;
};

} // namespace mayfly::gpu
