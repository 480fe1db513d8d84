#include "gpu/text/byte_mapping.hpp"

#include "gpu/text/utf8.hpp"

#include <array>

namespace mayfly::gpu {
namespace {

constexpr char32_t first_substitute = 0x100;

constexpr bool stands_for_itself(unsigned byte) noexcept {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> make_characters() noexcept {
  std::array<char32_t, 256> characters{};
  auto next = first_substitute;
  for (unsigned byte = 0; byte < 256; ++byte) characters[byte] = stands_for_itself(byte) ? byte : next++;
  return characters;
}

constexpr auto characters = make_characters();
constexpr char32_t character_limit = 0x144;

constexpr std::array<std::int16_t, character_limit> make_bytes() noexcept {
  std::array<std::int16_t, character_limit> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[characters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}

constexpr auto bytes_of = make_bytes();

} // namespace

char32_t mapped_character(unsigned char byte) noexcept { return characters[byte]; }

std::optional<std::string> unmap_bytes(std::string_view mapped) {
  std::string bytes;
  bytes.reserve(mapped.size());
  while (!mapped.empty()) {
    auto const character = decode_utf8(mapped);
    if (!character.valid || character.code >= character_limit || bytes_of[character.code] < 0) return {};
    bytes.push_back(static_cast<char>(bytes_of[character.code]));
    mapped.remove_prefix(character.bytes);
  }
  return bytes;
}

} // namespace mayfly::gpu
