#include "protocol/crypto/encoding.hpp"

#include "protocol/crypto/octets.hpp"

#include <array>
#include <sodium.h>

namespace mayfly::crypto {
namespace {

constexpr int base64_variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

// The alphabet of ZeroMQ RFC 32.
constexpr std::string_view z85_alphabet =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
static_assert(z85_alphabet.size() == 85);

constexpr std::array<std::uint8_t, 256> z85_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(85);
  for (std::size_t index = 0; index < z85_alphabet.size(); ++index)
    values[static_cast<unsigned char>(z85_alphabet[index])] = static_cast<std::uint8_t>(index);
  return values;
}();

std::int64_t number(std::size_t value) { return static_cast<std::int64_t>(value); }

/// `text` has room for five characters a word of four bytes.
void write_z85(std::span<std::byte const> bytes, std::span<char> text) {
  for (std::size_t word = 0; word < bytes.size() / 4; ++word) {
    std::uint32_t value = 0;
    for (std::size_t index = 0; index < 4; ++index)
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[word * 4 + index]);
    for (std::size_t index = 5; index-- > 0; value /= 85) text[word * 5 + index] = z85_alphabet[value % 85];
  }
}

/// `text` has room for the characters and libsodium's final zero.
void write_base64(std::span<std::byte const> bytes, std::span<char> text) {
  sodium_bin2base64(text.data(), text.size(), octets(bytes), bytes.size(), base64_variant);
}

std::size_t base64_room(std::size_t bytes) { return sodium_base64_encoded_len(bytes, base64_variant); }

} // namespace

std::string to_hexadecimal(std::span<std::byte const> bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), octets(bytes), bytes.size());
  text.pop_back();
  return text;
}

result<void> from_hexadecimal(std::string_view text, std::span<std::byte> bytes) noexcept {
  if (text.empty() && bytes.empty()) return {}; // libsodium wants no null pointers
  std::size_t written = 0;
  char const* end = nullptr;
  bool const fine =
      text.size() == bytes.size() * 2 &&
      sodium_hex2bin(octets(bytes), bytes.size(), text.data(), text.size(), nullptr, &written, &end) == 0 &&
      written == bytes.size() && end == text.data() + text.size();
  if (!fine) return error{errc::malformed, "not hexadecimal of the right length", number(text.size())};
  return {};
}

std::string to_base64url(std::span<std::byte const> bytes) {
  std::string text(base64_room(bytes.size()), '\0');
  write_base64(bytes, text);
  text.pop_back();
  return text;
}

ephemeral_text secret_to_base64url(std::span<std::byte const> bytes) {
  ephemeral_text text;
  text.resize(base64_room(bytes.size()));
  write_base64(bytes, text.characters().reveal());
  text.resize(text.size() - 1);
  return text;
}

result<void> from_base64url(std::string_view text, std::span<std::byte> bytes) noexcept {
  if (text.empty() && bytes.empty()) return {}; // libsodium wants no null pointers
  std::size_t written = 0;
  char const* end = nullptr;
  bool const fine = sodium_base642bin(octets(bytes), bytes.size(), text.data(), text.size(), nullptr,
                                      &written, &end, base64_variant) == 0 &&
                    written == bytes.size() && end == text.data() + text.size();
  if (!fine) return error{errc::malformed, "not base64url of the right length", number(text.size())};
  return {};
}

result<std::string> to_z85(std::span<std::byte const> bytes) {
  if (bytes.size() % 4 != 0)
    return error{errc::malformed, "Z85 takes words of 4 bytes", number(bytes.size())};
  std::string text(bytes.size() / 4 * 5, '\0');
  write_z85(bytes, text);
  return text;
}

result<ephemeral_text> secret_to_z85(std::span<std::byte const> bytes) {
  if (bytes.size() % 4 != 0)
    return error{errc::malformed, "Z85 takes words of 4 bytes", number(bytes.size())};
  ephemeral_text text;
  text.resize(bytes.size() / 4 * 5);
  write_z85(bytes, text.characters().reveal());
  return text;
}

result<void> from_z85(std::string_view text, std::span<std::byte> bytes) noexcept {
  if (text.size() % 5 != 0 || text.size() / 5 * 4 != bytes.size())
    return error{errc::malformed, "Z85 of another length", number(text.size())};
  for (std::size_t word = 0; word < text.size() / 5; ++word) {
    std::uint64_t value = 0;
    for (std::size_t index = word * 5; index < word * 5 + 5; ++index) {
      auto const digit = z85_values[static_cast<unsigned char>(text[index])];
      if (digit == 85) return error{errc::malformed, "not a character of Z85", number(index)};
      value = value * 85 + digit;
    }
    if (value > 0xffffffffU) return error{errc::malformed, "Z85 beyond 32 bits", number(word * 5)};
    for (std::size_t index = 4; index-- > 0; value >>= 8)
      bytes[word * 4 + index] = static_cast<std::byte>(value & 0xff);
  }
  return {};
}

} // namespace mayfly::crypto
