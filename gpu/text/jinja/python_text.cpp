// str(), repr() and json.dumps().
#include "gpu/text/jinja/python.hpp"
#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utf8proc.h>

namespace mayfly::gpu::jinja {
namespace {

constexpr int deepest = 64;

void append_integer(std::int64_t number, origin from, text_builder& to) {
  std::array<char, 24> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  to.append({digits.data(), static_cast<std::size_t>(end - digits.data())}, from);
}

/// "\x0a", "\u1234" or "\U0001f600".
void append_escape(char prefix, char32_t code, int digits, origin from, text_builder& to) {
  std::array<char, 10> escape{'\\', prefix};
  for (int digit = 0; digit < digits; ++digit)
    escape[static_cast<std::size_t>(1 + digits - digit)] = "0123456789abcdef"[code >> (4 * digit) & 0xFU];
  to.append({escape.data(), static_cast<std::size_t>(digits) + 2}, from);
}

/// What str.isprintable() says.
bool is_printable(char32_t code) noexcept {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
  case UTF8PROC_CATEGORY_CN:
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return false;
  case UTF8PROC_CATEGORY_ZS:
    return code == ' ';
  default:
    return true;
  }
}

/// The letter of a short escape, or 0.
char short_escape(char32_t code, std::string_view known) noexcept {
  constexpr std::string_view codes = "\n\r\t\b\f";
  constexpr std::string_view letters = "nrtbf";
  auto const at = code < 0x80 ? codes.find(static_cast<char>(code)) : std::string_view::npos;
  return at != std::string_view::npos && known.find(letters[at]) != std::string_view::npos ? letters[at]
                                                                                           : '\0';
}

void append_escaped_letter(char letter, origin from, text_builder& to) {
  std::array<char, 2> const escape{'\\', letter};
  to.append({escape.data(), 2}, from);
}

void append_quoted_python(text of, text_builder& to) {
  auto const view = of.view();
  auto const quote = view.find('\'') != view.npos && view.find('"') == view.npos ? '"' : '\'';
  to.append_own({&quote, 1});
  for (auto rest = of; !rest.empty();) {
    auto const character = decode_utf8(rest.view());
    auto const code = character.code;
    auto const from = rest.at(0);
    if (code == static_cast<char32_t>(quote) || code == '\\')
      append_escaped_letter(static_cast<char>(code), from, to);
    else if (auto const letter = short_escape(code, "nrt"); letter != 0)
      append_escaped_letter(letter, from, to);
    else if (is_printable(code))
      to.append(rest.sub(0, character.bytes));
    else if (code < 0x100)
      append_escape('x', code, 2, from, to);
    else if (code < 0x10000)
      append_escape('u', code, 4, from, to);
    else
      append_escape('U', code, 8, from, to);
    rest = rest.sub(character.bytes);
  }
  to.append_own({&quote, 1});
}

void append_quoted_json(text of, bool ascii, text_builder& to) {
  to.append_own("\"");
  for (auto rest = of; !rest.empty();) {
    auto const character = decode_utf8(rest.view());
    auto const code = character.code;
    auto const from = rest.at(0);
    if (code == '"' || code == '\\')
      append_escaped_letter(static_cast<char>(code), from, to);
    else if (auto const letter = short_escape(code, "nrtbf"); letter != 0)
      append_escaped_letter(letter, from, to);
    else if (code < 0x20 || (ascii && code >= 0x7F && code < 0x10000))
      append_escape('u', code, 4, from, to);
    else if (ascii && code >= 0x10000) {
      append_escape('u', 0xD7C0 + (code >> 10), 4, from, to);
      append_escape('u', 0xDC00 + (code & 0x3FFU), 4, from, to);
    } else
      to.append(rest.sub(0, character.bytes));
    rest = rest.sub(character.bytes);
  }
  to.append_own("\"");
}

void append_newline(json_style const& style, int depth, text_builder& to) {
  to.append_own("\n");
  for (auto left = *style.indent * depth; left > 0; --left) to.append_own(" ");
}

void append_json_key(value key, json_style const& style, text_builder& to) {
  if (key.is(kind::text)) return append_quoted_json(*key.characters, style.ascii, to);
  to.append_own("\"");
  append_json(key, style, to);
  to.append_own("\"");
}

void append_json_list(list const& of, json_style const& style, text_builder& to, int depth) {
  if (of.values.empty()) return to.append_own("[]");
  to.append_own("[");
  for (std::size_t at = 0; at < of.values.size(); ++at) {
    if (at > 0) to.append(style.item_separator);
    if (style.indent) append_newline(style, depth + 1, to);
    append_json(of.values[at], style, to, depth + 1);
  }
  if (style.indent) append_newline(style, depth, to);
  to.append_own("]");
}

void append_json_mapping(mapping const& of, json_style const& style, text_builder& to, int depth) {
  if (of.entries.empty()) return to.append_own("{}");
  auto entries = of.entries; // the copy lives in the same arena
  if (style.sorted) sort_by_first(entries, false);
  to.append_own("{");
  for (std::size_t at = 0; at < entries.size(); ++at) {
    if (at > 0) to.append(style.item_separator);
    if (style.indent) append_newline(style, depth + 1, to);
    append_json_key(entries[at].first, style, to);
    to.append(style.key_separator);
    append_json(entries[at].second, style, to, depth + 1);
  }
  if (style.indent) append_newline(style, depth, to);
  to.append_own("}");
}

void append_list(list const& of, text_builder& to, int depth) {
  to.append_own(of.tuple ? "(" : "[");
  for (std::size_t at = 0; at < of.values.size(); ++at) {
    if (at > 0) to.append_own(", ");
    append_representation(of.values[at], to, depth + 1);
  }
  if (of.tuple && of.values.size() == 1) to.append_own(",");
  to.append_own(of.tuple ? ")" : "]");
}

void append_mapping(mapping const& of, text_builder& to, int depth) {
  to.append_own("{");
  for (std::size_t at = 0; at < of.entries.size(); ++at) {
    if (at > 0) to.append_own(", ");
    append_representation(of.entries[at].first, to, depth + 1);
    to.append_own(": ");
    append_representation(of.entries[at].second, to, depth + 1);
  }
  to.append_own("}");
}

} // namespace

void append_real(double number, origin from, text_builder& to) {
  if (std::isnan(number)) return to.append("nan", from);
  if (std::isinf(number)) return to.append(number < 0 ? "-inf" : "inf", from);
  // Python writes an exponent below 1e-4 and from 1e16 (float_repr_style "short").
  auto const magnitude = std::abs(number);
  auto const plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  std::array<char, 40> digits;
  auto const format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  auto* end = std::to_chars(digits.data(), digits.data() + digits.size() - 2, number, format).ptr;
  if (plain && std::find(digits.data(), end, '.') == end) end = std::copy_n(".0", 2, end);
  to.append({digits.data(), static_cast<std::size_t>(end - digits.data())}, from);
}

void append_representation(value of, text_builder& to, int depth) {
  if (depth > deepest) fail(errc::too_large, "values in a chat template nest too deeply");
  switch (of.type) {
  case kind::undefined:
    return to.append_own("Undefined");
  case kind::none:
    return to.append_own("None");
  case kind::boolean:
    return to.append_own(of.boolean ? "True" : "False");
  case kind::integer:
    return append_integer(of.integer, of.source, to);
  case kind::real:
    return append_real(of.real, of.source, to);
  case kind::text:
    return append_quoted_python(*of.characters, to);
  case kind::list:
    return append_list(*of.items, to, depth);
  case kind::mapping:
    return append_mapping(*of.entries, to, depth);
  case kind::name_space:
  case kind::loop:
  case kind::callable:
    fail(errc::unsupported, "a chat template prints an object");
  }
}

text to_text(value of, arena& memory) {
  if (of.is(kind::text)) return *of.characters;
  if (of.is(kind::undefined)) return {};
  auto* builder = memory.make<text_builder>(memory);
  append_representation(of, *builder);
  return builder->result();
}

void append_json(value of, json_style const& style, text_builder& to, int depth) {
  if (depth > deepest) fail(errc::too_large, "values in a chat template nest too deeply");
  switch (of.type) {
  case kind::none:
    return to.append_own("null");
  case kind::boolean:
    return to.append_own(of.boolean ? "true" : "false");
  case kind::integer:
    return append_integer(of.integer, of.source, to);
  case kind::real:
    if (std::isnan(of.real)) return to.append_own("NaN");
    if (std::isinf(of.real)) return to.append_own(of.real < 0 ? "-Infinity" : "Infinity");
    return append_real(of.real, of.source, to);
  case kind::text:
    return append_quoted_json(*of.characters, style.ascii, to);
  case kind::list:
    return append_json_list(*of.items, style, to, depth);
  case kind::mapping:
    return append_json_mapping(*of.entries, style, to, depth);
  default:
    fail(errc::invalid_request, "a chat template writes as JSON what is none");
  }
}

} // namespace mayfly::gpu::jinja
