#include "protocol/crypto/aead.hpp"

#include "protocol/crypto/hash.hpp"
#include "protocol/crypto/octets.hpp"

#include <algorithm>
#include <sodium.h>

namespace mayfly::crypto {
namespace {

static_assert(cipher_key_bytes == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(seal_bytes == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(std::tuple_size_v<nonce> == crypto_aead_chacha20poly1305_ietf_NPUBBYTES);

using length = std::array<std::byte, 8>;

/// Little-endian.
length bytes_of(std::uint64_t value) noexcept {
  length made{};
  for (auto& each : made) {
    each = static_cast<std::byte>(value & 0xffU);
    value >>= 8U;
  }
  return made;
}

nonce nonce_of(std::uint64_t number) noexcept {
  nonce made{};
  auto const counted = bytes_of(number);
  std::copy(counted.begin(), counted.end(), made.begin() + 4);
  return made;
}

} // namespace

void seal(std::span<std::byte const> key, nonce const& once, std::span<std::byte const> associated,
          std::span<std::byte const> plain, std::span<std::byte> sealed) noexcept {
  crypto_aead_chacha20poly1305_ietf_encrypt_detached(octets(sealed), octets(sealed.subspan(plain.size())),
                                                     nullptr, octets(plain), plain.size(), octets(associated),
                                                     associated.size(), nullptr, octets(once), octets(key));
}

result<std::span<std::byte>> open(std::span<std::byte const> key, nonce const& once,
                                  std::span<std::byte const> associated,
                                  std::span<std::byte> sealed) noexcept {
  error const refused{errc::untrusted, "sealed bytes that do not open", 0};
  if (sealed.size() < seal_bytes) return refused;
  auto const text = sealed.first(sealed.size() - seal_bytes);
  auto const tag = sealed.last(seal_bytes);
  int const opened = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
      octets(text), nullptr, octets(text), text.size(), octets(tag), octets(associated), associated.size(),
      octets(once), octets(key));
  if (opened != 0) return refused;
  return text;
}

result<ephemeral_bytes> derive_key(std::span<std::byte const> key,
                                   std::initializer_list<std::span<std::byte const>> parts) {
  ephemeral_bytes text;
  for (auto const& part : parts) {
    text.append(bytes_of(part.size()));
    text.append(part);
  }
  auto derived = keyed_hash(key, text.reveal());
  if (!derived) return derived.failure();
  ephemeral_bytes made(*derived);
  wipe(derived->data(), derived->size());
  return made;
}

void frame_sealer::seal(std::span<std::byte const> associated, std::span<std::byte const> plain,
                        std::span<std::byte> sealed) noexcept {
  crypto::seal(key_.reveal(), nonce_of(number_++), associated, plain, sealed);
}

result<std::span<std::byte>> frame_opener::open(std::span<std::byte const> associated,
                                                std::span<std::byte> sealed) noexcept {
  return crypto::open(key_.reveal(), nonce_of(number_++), associated, sealed);
}

} // namespace mayfly::crypto
