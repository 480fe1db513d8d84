#include "gpu/text/utf8.hpp"

#include <cstring>

namespace mayfly::gpu {
namespace {

/// Bounds of the second byte, which exclude overlong forms, surrogates and code points that do not exist
/// (Unicode standard, table 3-7).
struct lead {
  std::uint8_t length;
  std::uint8_t low;
  std::uint8_t high;
};

constexpr lead lead_of(unsigned byte) noexcept {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

constexpr unsigned byte_at(std::string_view text, std::size_t index) noexcept {
  return static_cast<unsigned char>(text[index]);
}

} // namespace

utf8_character decode_utf8(std::string_view text) noexcept {
  auto const first = byte_at(text, 0);
  if (first < 0x80) return {first, 1, true, false};
  auto const [length, low, high] = lead_of(first);
  if (length == 0) return {};
  char32_t code = first & (0x7FU >> length);
  for (std::uint8_t index = 1; index < length; ++index) {
    if (index == text.size()) return {0xFFFD, index, false, true};
    auto const next = byte_at(text, index);
    if (next < (index == 1 ? low : 0x80U) || next > (index == 1 ? high : 0xBFU))
      return {0xFFFD, index, false, false};
    code = code << 6 | (next & 0x3FU);
  }
  return {code, length, true, false};
}

std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word = 0;
    if (at + sizeof word <= text.size()) std::memcpy(&word, text.data() + at, sizeof word);
    if (at + sizeof word <= text.size() && (word & 0x8080808080808080ULL) == 0) {
      at += sizeof word;
      continue;
    }
    auto const character = decode_utf8(text.substr(at));
    if (!character.valid) break;
    at += character.bytes;
  }
  return at;
}

encoded_utf8 encode_utf8(char32_t code) noexcept {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = 0xFFFD;
  auto const tail = [code](unsigned shift) { return static_cast<char>(0x80U | (code >> shift & 0x3FU)); };
  if (code < 0x80) return {{static_cast<char>(code), 0, 0, 0}, 1};
  if (code < 0x800) return {{static_cast<char>(0xC0U | code >> 6), tail(0), 0, 0}, 2};
  if (code < 0x10000) return {{static_cast<char>(0xE0U | code >> 12), tail(6), tail(0), 0}, 3};
  return {{static_cast<char>(0xF0U | code >> 18), tail(12), tail(6), tail(0)}, 4};
}

bool is_white_space(char32_t code) noexcept {
  if (code <= 0x20) return code == 0x20 || (code >= 0x09 && code <= 0x0D);
  if (code < 0x1680) return code == 0x85 || code == 0xA0;
  return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

} // namespace mayfly::gpu
