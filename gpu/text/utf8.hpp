#pragma once
// UTF-8 (RFC 3629), strict: no overlong forms, no surrogates, nothing above U+10FFFF.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mayfly::gpu {

struct utf8_character {
  char32_t code = 0xFFFD;
  std::uint8_t bytes = 1; ///< length; of the longest well-formed beginning where not valid, at least 1
  bool valid = false;
  bool truncated = false; ///< well-formed so far, but the text ends
};

/// The first character of `text`, which must not be empty.
utf8_character decode_utf8(std::string_view text) noexcept;

/// Bytes at the front of `text` that are whole, valid characters.
std::size_t valid_utf8_prefix(std::string_view text) noexcept;

struct encoded_utf8 {
  char bytes[4];
  std::uint8_t size;
  std::string_view view() const noexcept { return {bytes, size}; }
};

/// `code` as UTF-8; surrogates and what is no code point become U+FFFD.
encoded_utf8 encode_utf8(char32_t code) noexcept;

/// The characters with Unicode's White_Space property, which is what Python's str.strip and the regular
/// expressions of tokenisers mean by white space (Python adds U+001C to U+001F: see jinja).
bool is_white_space(char32_t code) noexcept;

} // namespace mayfly::gpu
