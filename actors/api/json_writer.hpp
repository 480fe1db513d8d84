#pragma once
// JSON straight into ephemeral memory: no tree, no intermediate strings.
#include "protocol/base/ephemeral.hpp"

#include <concepts>
#include <cstdint>
#include <string_view>

namespace mayfly::actors::api {

/// Appends to a buffer that outlives it. The caller is responsible for the grammar: `raw` is for
/// punctuation and for what stands in the source.
class json_writer {
public:
  explicit json_writer(ephemeral_text& out) noexcept : out_(out) {}

  json_writer& raw(std::string_view text) {
    out_.append(text);
    return *this;
  }
  /// A quoted string. Control characters, quotes and backslashes are escaped; bytes that are not UTF-8
  /// become U+FFFD, so that the output always parses.
  json_writer& string(std::string_view text);
  json_writer& number(std::int64_t value);
  json_writer& number(std::uint64_t value);
  json_writer& number(std::uint32_t value) { return number(std::uint64_t{value}); }
  json_writer& number(std::int32_t value) { return number(std::int64_t{value}); }
  /// The shortest form that reads back the same. JSON has no infinities: they become -9999 (OpenAI's word
  /// for "impossible") and 9999; NaN becomes null.
  json_writer& number(double value);
  json_writer& number(float value);
  json_writer& boolean(bool value) { return raw(value ? "true" : "false"); }
  /// Lower-case hexadecimal, quoted.
  json_writer& hexadecimal(std::span<std::byte const> bytes);

private:
  ephemeral_text& out_;
};

/// The length of the UTF-8 sequence at the front of `text`: 1 to 4, or 0 if there is none.
std::size_t utf8_sequence(std::string_view text) noexcept;

} // namespace mayfly::actors::api
