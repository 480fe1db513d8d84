#pragma once
// Regular expressions as tokenisers use them. The one home of PCRE2.
#include "protocol/base/result.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace mayfly::gpu {

/// A compiled expression; immutable, shared by threads.
class pattern {
public:
  /// Perl syntax with Unicode properties. `\s` and `\S` mean the White_Space property, as they do for Hugging
  /// Face's tokenisers. Errors: configuration (`number` is PCRE2's code).
  static result<pattern> compile(std::string_view expression);

private:
  friend class pattern_matcher;
  std::shared_ptr<void> code_;
};

/// One thread's workspace for matching, in memory that is wiped.
class pattern_matcher {
public:
  pattern_matcher();
  ~pattern_matcher();
  pattern_matcher(pattern_matcher const&) = delete;
  pattern_matcher& operator=(pattern_matcher const&) = delete;

  /// The first match that begins at `from` or later: [begin, end). `text` must be valid UTF-8. None also
  /// where PCRE2 gives up (its limits on backtracking).
  std::optional<std::pair<std::size_t, std::size_t>> find(pattern const& expression, std::string_view text,
                                                          std::size_t from);

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace mayfly::gpu
