#pragma once
// Key pairs: Ed25519 (RFC 8032) for signatures, X25519 for CURVE links. Secrets live in ephemeral memory.
#include "protocol/base/ephemeral.hpp"
#include "protocol/messages/fields.hpp"

namespace mayfly::crypto {

using messages::bytes32;
using messages::bytes64;

/// Signs with Ed25519. Move-only; the secret is wiped with it.
class signing_key {
public:
  /// A new random key.
  static signing_key generate();
  /// The key that RFC 8032 derives from 32 bytes. Errors: malformed (another length; `number`: it).
  static result<signing_key> from_seed(std::span<std::byte const> seed);

  bytes32 const& public_key() const noexcept { return public_key_; }
  /// The 32 bytes from which `from_seed` makes this key again: to be stored with `write_secret` alone.
  ephemeral_bytes seed() const;
  bytes64 sign(std::span<std::byte const> bytes) const noexcept;

private:
  signing_key() = default;
  ephemeral_bytes secret_; ///< 64 bytes: seed, then public key (libsodium's form)
  bytes32 public_key_{};
};

/// True if the signature over `bytes` was made by the owner of `public_key`.
bool verify(bytes32 const& public_key, std::span<std::byte const> bytes, bytes64 const& signature) noexcept;

/// An X25519 key pair as ZeroMQ's CURVE uses it (crypto_box). Its text form is Z85, see encoding.hpp.
struct link_key {
  bytes32 public_key{};
  ephemeral_bytes secret; ///< 32 bytes
  static link_key generate();
  /// Errors: malformed (another length than 32; `number`: it).
  static result<link_key> from_secret(std::span<std::byte const> secret);
};

} // namespace mayfly::crypto
