#pragma once
// Bytes as text: hexadecimal and base64url (RFC 4648, without padding) for public keys, hashes and
// identifiers, Z85 (ZeroMQ RFC 32) for CURVE keys. What is secret goes to and comes from ephemeral memory.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace mayfly::crypto {

/// Lower-case hexadecimal, two digits a byte. Public bytes only.
std::string to_hexadecimal(std::span<std::byte const> bytes);
/// Fills `bytes` from twice as many digits of either case. Errors: malformed (`number`: the length).
result<void> from_hexadecimal(std::string_view text, std::span<std::byte> bytes) noexcept;

/// Public bytes only.
std::string to_base64url(std::span<std::byte const> bytes);
/// The same for secrets (API keys), which are shown once.
ephemeral_text secret_to_base64url(std::span<std::byte const> bytes);
/// Fills `bytes`, whose size must be what the text decodes to. Errors: malformed.
result<void> from_base64url(std::string_view text, std::span<std::byte> bytes) noexcept;

/// Five characters for four bytes: a 32-byte key is 40 characters. The length must be a multiple of four
/// (`to_z85`) or five (`from_z85`); errors: malformed (`number`: the length, or the place of a character that
/// is not of the alphabet).
result<std::string> to_z85(std::span<std::byte const> bytes);
result<ephemeral_text> secret_to_z85(std::span<std::byte const> bytes);
result<void> from_z85(std::string_view text, std::span<std::byte> bytes) noexcept;

} // namespace mayfly::crypto
