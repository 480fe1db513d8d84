#pragma once
// libsodium speaks unsigned char; the house speaks std::byte. Included by this folder's sources alone.
#include <array>
#include <cstddef>
#include <span>

namespace mayfly::crypto {

inline unsigned char const* octets(std::span<std::byte const> bytes) noexcept {
  return reinterpret_cast<unsigned char const*>(bytes.data());
}
inline unsigned char* octets(std::span<std::byte> bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
template <std::size_t Size>
unsigned char const* octets(std::array<std::byte, Size> const& bytes) noexcept {
  return octets(std::span<std::byte const>(bytes));
}
template <std::size_t Size>
unsigned char* octets(std::array<std::byte, Size>& bytes) noexcept {
  return octets(std::span<std::byte>(bytes));
}

} // namespace mayfly::crypto
