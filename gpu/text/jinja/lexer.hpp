#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mayfly::gpu::jinja {

enum class token_kind : std::uint8_t {
  data, ///< text between tags, white space control applied
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  text, ///< a string literal, unescaped
  integer,
  real,
  sign, ///< an operator or bracket; `text` holds it
  end,
};

struct token {
  token_kind kind = token_kind::end;
  std::uint32_t line = 1;
  std::string text;
};

/// Cuts a template into tokens, as jinja2 does with trim_blocks and lstrip_blocks set: a line break behind a
/// block tag goes, and white space in front of one that begins its line. Fails (malformed) on what is no
/// template.
std::vector<token> tokenize(std::string_view source);

} // namespace mayfly::gpu::jinja
