#include "gpu/text/normalization.hpp"

#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <utf8proc.h>
#include <utility>

namespace mayfly::gpu {
namespace {

/// Combining characters that came, or changed their class, after Unicode 9, whose tables Hugging Face's
/// tokenisers normalise by: to them these combine with nothing. Found by asking `tokenizers` 0.23.3 about
/// every character.
constexpr std::pair<char32_t, char32_t> younger[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
    {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0xECE, 0xECE},     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},
    {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
    {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};

bool is_younger(char32_t code) noexcept {
  auto const* const range = std::lower_bound(std::begin(younger), std::end(younger), code,
                                             [](auto const& r, char32_t c) { return r.second < c; });
  return range != std::end(younger) && range->first <= code;
}

/// Bytes of `text` in front of its first younger character.
std::size_t older_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    auto const character = decode_utf8(text.substr(at));
    if (character.code >= younger[0].first && is_younger(character.code)) break;
    at += character.bytes;
  }
  return at;
}

/// Decomposing and composing by hand keeps the work in our own buffer: utf8proc_map would allocate.
void append_nfc(std::string_view text, ephemeral_buffer<utf8proc_int32_t>& codes, ephemeral_text& out) {
  auto const* bytes = reinterpret_cast<utf8proc_uint8_t const*>(text.data());
  auto const options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  // A character decomposes to four at most for canonical mappings (UAX #15, expansion factors), and has a
  // byte at least; one more slot, because re-encoding writes a final zero.
  codes.resize(text.size() * 4 + 1);
  auto const capacity = static_cast<utf8proc_ssize_t>(codes.size() - 1);
  auto const count = utf8proc_decompose(bytes, static_cast<utf8proc_ssize_t>(text.size()),
                                        codes.reveal().data(), capacity, options);
  if (count < 0 || count > capacity) return out.append(text);
  auto const size = utf8proc_reencode(codes.reveal().data(), count, options);
  if (size < 0) return out.append(text);
  out.append({reinterpret_cast<char const*>(codes.reveal().data()), static_cast<std::size_t>(size)});
}

} // namespace

bool is_plainly_nfc(std::string_view text) noexcept {
  // U+0300 is the first character that is not NFC_Quick_Check=Yes; its lead byte is 0xCC.
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return static_cast<unsigned char>(byte) < 0xCC; });
}

ephemeral_text to_nfc(std::string_view text) {
  ephemeral_buffer<utf8proc_int32_t> codes;
  ephemeral_text out;
  out.reserve(text.size());
  while (!text.empty()) {
    auto const older = older_prefix(text);
    if (older > 0) append_nfc(text.substr(0, older), codes, out);
    text.remove_prefix(older);
    if (text.empty()) break;
    auto const size = decode_utf8(text).bytes;
    out.append(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

} // namespace mayfly::gpu
