#include "protocol/crypto/keys.hpp"

#include "protocol/crypto/octets.hpp"
#include "protocol/crypto/random.hpp"

#include <sodium.h>

namespace mayfly::crypto {

static_assert(std::tuple_size_v<bytes32> == crypto_sign_PUBLICKEYBYTES);
static_assert(std::tuple_size_v<bytes64> == crypto_sign_BYTES);
static_assert(std::tuple_size_v<bytes32> == crypto_box_PUBLICKEYBYTES);

signing_key signing_key::generate() {
  auto const seed = random_bytes(crypto_sign_SEEDBYTES);
  return *from_seed(seed.reveal());
}

result<signing_key> signing_key::from_seed(std::span<std::byte const> seed) {
  if (seed.size() != crypto_sign_SEEDBYTES)
    return error{errc::malformed, "a signing key's seed has 32 bytes",
                 static_cast<std::int64_t>(seed.size())};
  signing_key key;
  key.secret_.resize(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(octets(key.public_key_), octets(key.secret_.reveal()), octets(seed));
  return key;
}

ephemeral_bytes signing_key::seed() const {
  return ephemeral_bytes(secret_.reveal().first(crypto_sign_SEEDBYTES));
}

bytes64 signing_key::sign(std::span<std::byte const> bytes) const noexcept {
  bytes64 signature{};
  crypto_sign_detached(octets(signature), nullptr, octets(bytes), bytes.size(), octets(secret_.reveal()));
  return signature;
}

bool verify(bytes32 const& public_key, std::span<std::byte const> bytes, bytes64 const& signature) noexcept {
  return crypto_sign_verify_detached(octets(signature), octets(bytes), bytes.size(), octets(public_key)) == 0;
}

link_key link_key::generate() {
  link_key key;
  key.secret.resize(crypto_box_SECRETKEYBYTES);
  crypto_box_keypair(octets(key.public_key), octets(key.secret.reveal()));
  return key;
}

result<link_key> link_key::from_secret(std::span<std::byte const> secret) {
  if (secret.size() != crypto_box_SECRETKEYBYTES)
    return error{errc::malformed, "a link key has 32 bytes", static_cast<std::int64_t>(secret.size())};
  link_key key;
  key.secret.append(secret);
  if (crypto_scalarmult_base(octets(key.public_key), octets(secret)) != 0)
    return error{errc::malformed, "no public key belongs to this secret", 0};
  return key;
}

} // namespace mayfly::crypto
