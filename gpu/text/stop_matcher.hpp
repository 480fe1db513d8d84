#pragma once
#include "protocol/base/ephemeral.hpp"

#include <span>
#include <vector>

namespace mayfly::gpu {

/// Looks for several strings in a stream of bytes at once, one step a byte and string (Knuth, Morris and
/// Pratt, 1977). Stop strings are content.
class stop_matcher {
public:
  explicit stop_matcher(std::span<ephemeral_text const> stops);

  /// Takes one byte. Returns the length of the longest string that it completes, 0 for none.
  std::size_t take(char byte) noexcept;

  /// The longest end of what was taken that may become one of the strings, in bytes.
  std::size_t undecided() const noexcept;

private:
  struct stop {
    ephemeral_text text;
    ephemeral_buffer<std::uint32_t> fallback; ///< by length matched: the next shorter one that still fits
    std::size_t matched = 0;
  };
  std::vector<stop> stops_;
};

} // namespace mayfly::gpu
