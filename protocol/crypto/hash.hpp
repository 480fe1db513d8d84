#pragma once
// BLAKE2b-256 (RFC 7693).
#include "protocol/messages/fields.hpp"

#include <initializer_list>

namespace mayfly::crypto {

using messages::bytes32;
using messages::bytes64;

/// The hash of metadata: chains of receipts, fingerprints of keys. Content is never hashed without a key.
bytes32 hash(std::span<std::byte const> bytes) noexcept;

/// A hash that says nothing to who has no key: pseudonyms of accounts, stored API keys. `key` is 16 to 64
/// bytes. Errors: invalid_request (the key's length; `number`: it).
result<bytes32> keyed_hash(std::span<std::byte const> key, std::span<std::byte const> bytes) noexcept;

/// As above over several parts, as if they were one after the other.
result<bytes32> keyed_hash(std::span<std::byte const> key,
                           std::initializer_list<std::span<std::byte const>> parts) noexcept;

} // namespace mayfly::crypto
