#pragma once
// ChaCha20-Poly1305 (RFC 8439) and keys derived with keyed BLAKE2b. The cipher is OpenSSL's, which uses wider
// registers than libsodium's (64 KiB: 18 µs against 42 µs on a Zen 4
// core).
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <array>
#include <initializer_list>
#include <memory>

struct evp_cipher_ctx_st; // OpenSSL's

namespace mayfly::crypto {

inline constexpr std::size_t cipher_key_bytes = 32;
inline constexpr std::size_t seal_bytes = 16; ///< what a sealed text is longer than its plain text
using nonce = std::array<std::byte, 12>;

/// Encrypts `plain` into `sealed`, which is longer by `seal_bytes`, and authenticates it with `associated`.
/// The key has 32 bytes. A nonce must never be used again under its key.
void seal(std::span<std::byte const> key, nonce const& once, std::span<std::byte const> associated,
          std::span<std::byte const> plain, std::span<std::byte> sealed);

/// Decrypts in place: the plain text stands where the sealed one did, shorter by `seal_bytes`. Errors:
/// untrusted (another key, nonce or associated bytes, or tampered with); what stood there is wiped then.
result<std::span<std::byte>> open(std::span<std::byte const> key, nonce const& once,
                                  std::span<std::byte const> associated, std::span<std::byte> sealed);

/// A key of 32 bytes for one use: keyed BLAKE2b over the parts, each after its length, so that no two lists
/// of parts are the same bytes. Errors: invalid_request (`key` has not 16 to 64 bytes).
result<ephemeral_bytes> derive_key(std::span<std::byte const> key,
                                   std::initializer_list<std::span<std::byte const>> parts);

struct free_cipher_state {
  void operator()(evp_cipher_ctx_st* state) const noexcept;
};
using cipher_state = std::unique_ptr<evp_cipher_ctx_st, free_cipher_state>;

/// Seals the frames of one direction under a key of its own: a frame's nonce is its number.
class frame_sealer {
public:
  explicit frame_sealer(ephemeral_bytes key);
  void seal(std::span<std::byte const> associated, std::span<std::byte const> plain,
            std::span<std::byte> sealed) noexcept;

private:
  cipher_state state_;
  std::uint64_t number_ = 0;
};

/// Opens them in the same order: one that is missing, repeated or out of its place does not open.
class frame_opener {
public:
  explicit frame_opener(ephemeral_bytes key);
  /// Errors as `crypto::open`.
  result<std::span<std::byte>> open(std::span<std::byte const> associated,
                                    std::span<std::byte> sealed) noexcept;

private:
  cipher_state state_;
  std::uint64_t number_ = 0;
};

} // namespace mayfly::crypto
