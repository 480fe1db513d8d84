#include "protocol/crypto/hash.hpp"

#include "protocol/base/wipe.hpp"
#include "protocol/crypto/octets.hpp"

#include <sodium.h>

namespace mayfly::crypto {
namespace {

bytes32 hash_parts(std::span<std::byte const> key,
                   std::initializer_list<std::span<std::byte const>> parts) noexcept {
  bytes32 digest{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.empty() ? nullptr : octets(key), key.size(), digest.size());
  for (auto const& part : parts)
    if (!part.empty()) crypto_generichash_update(&state, octets(part), part.size());
  crypto_generichash_final(&state, octets(digest), digest.size());
  wipe(&state, sizeof state); // it holds the key and the last block
  return digest;
}

} // namespace

bytes32 hash(std::span<std::byte const> bytes) noexcept { return hash_parts({}, {bytes}); }

result<bytes32> keyed_hash(std::span<std::byte const> key,
                           std::initializer_list<std::span<std::byte const>> parts) noexcept {
  if (key.size() < crypto_generichash_KEYBYTES_MIN || key.size() > crypto_generichash_KEYBYTES_MAX)
    return error{errc::invalid_request, "a hash key has 16 to 64 bytes",
                 static_cast<std::int64_t>(key.size())};
  return hash_parts(key, parts);
}

result<bytes32> keyed_hash(std::span<std::byte const> key, std::span<std::byte const> bytes) noexcept {
  return keyed_hash(key, {bytes});
}

} // namespace mayfly::crypto
