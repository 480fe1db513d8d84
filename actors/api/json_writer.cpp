#include "actors/api/json_writer.hpp"

#include "protocol/crypto/encoding.hpp"

#include <charconv>
#include <cmath>

namespace mayfly::actors::api {
namespace {

constexpr char digits[] = "0123456789abcdef";

constexpr bool continuation(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

bool plain(char byte) noexcept {
  auto const value = static_cast<unsigned char>(byte);
  return value >= 0x20 && value < 0x7F && byte != '"' && byte != '\\';
}

void escape(json_writer& out, char byte) {
  switch (byte) {
  case '"':
    out.raw("\\\"");
    return;
  case '\\':
    out.raw("\\\\");
    return;
  case '\n':
    out.raw("\\n");
    return;
  case '\r':
    out.raw("\\r");
    return;
  case '\t':
    out.raw("\\t");
    return;
  default:
    break;
  }
  auto const value = static_cast<unsigned char>(byte);
  char const text[] = {'\\', 'u', '0', '0', digits[value >> 4], digits[value & 15]};
  out.raw({text, sizeof text});
}

template <class Number>
void append_number(ephemeral_text& out, Number value) {
  char text[40];
  auto const end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append({text, static_cast<std::size_t>(end - text)});
}

template <class Real>
void append_real(ephemeral_text& out, Real value) {
  if (std::isnan(value)) return out.append("null");
  if (std::isinf(value)) return out.append(value > 0 ? "9999" : "-9999");
  append_number(out, value);
}

} // namespace

std::size_t utf8_sequence(std::string_view text) noexcept {
  // Ranges of RFC 3629, section 4: no overlong forms, no surrogates, nothing beyond U+10FFFF.
  if (text.empty()) return 0;
  auto const first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  std::size_t const length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t index = 1; index < length; ++index)
    if (!continuation(text[index])) return 0;
  auto const second = static_cast<unsigned char>(text[1]);
  bool const fine = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second < 0xA0) &&
                    (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second < 0x90);
  return fine ? length : 0;
}

json_writer& json_writer::string(std::string_view text) {
  out_.push_back('"');
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && plain(text[run])) ++run;
    out_.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    auto const length = utf8_sequence(text);
    if (length > 1)
      out_.append(text.substr(0, length));
    else if (length == 1)
      escape(*this, text[0]);
    else
      out_.append("\xEF\xBF\xBD");
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out_.push_back('"');
  return *this;
}

json_writer& json_writer::number(std::int64_t value) {
  append_number(out_, value);
  return *this;
}
json_writer& json_writer::number(std::uint64_t value) {
  append_number(out_, value);
  return *this;
}
json_writer& json_writer::number(double value) {
  append_real(out_, value);
  return *this;
}
json_writer& json_writer::number(float value) {
  append_real(out_, value);
  return *this;
}

json_writer& json_writer::hexadecimal(std::span<std::byte const> bytes) {
  out_.push_back('"');
  out_.append(crypto::to_hexadecimal(bytes));
  out_.push_back('"');
  return *this;
}

} // namespace mayfly::actors::api
