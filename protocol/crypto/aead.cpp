#include "protocol/crypto/aead.hpp"

#include "protocol/base/wipe.hpp"
#include "protocol/crypto/hash.hpp"
#include "protocol/crypto/octets.hpp"

#include <algorithm>
#include <climits>
#include <new>
#include <openssl/evp.h>

namespace mayfly::crypto {
namespace {

enum class direction : int { opening = 0, sealing = 1 };

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

/// What keeps a key in the library's own form. It is wiped when it is freed.
cipher_state state_for(std::span<std::byte const> key, direction way) {
  static EVP_CIPHER const* const algorithm = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  cipher_state state(EVP_CIPHER_CTX_new());
  bool const ready =
      algorithm != nullptr && state && key.size() == cipher_key_bytes &&
      EVP_CipherInit_ex2(state.get(), algorithm, octets(key), nullptr, static_cast<int>(way), nullptr) == 1;
  if (!ready) throw std::bad_alloc(); // nothing else can be the matter
  return state;
}

bool update(EVP_CIPHER_CTX* state, unsigned char* out, std::span<std::byte const> in) noexcept {
  int written = 0;
  return in.size() <= INT_MAX &&
         (in.empty() || EVP_CipherUpdate(state, out, &written, octets(in), static_cast<int>(in.size())) == 1);
}

bool begin(EVP_CIPHER_CTX* state, nonce const& once, std::span<std::byte const> associated) noexcept {
  return EVP_CipherInit_ex2(state, nullptr, nullptr, octets(once), -1, nullptr) == 1 &&
         update(state, nullptr, associated);
}

bool end(EVP_CIPHER_CTX* state) noexcept {
  unsigned char nothing[EVP_MAX_BLOCK_LENGTH];
  int written = 0;
  return EVP_CipherFinal_ex(state, nothing, &written) == 1;
}

void seal_by(EVP_CIPHER_CTX* state, nonce const& once, std::span<std::byte const> associated,
             std::span<std::byte const> plain, std::span<std::byte> sealed) noexcept {
  auto const tag = sealed.subspan(plain.size());
  bool const done = begin(state, once, associated) && update(state, octets(sealed), plain) && end(state) &&
                    EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_GET_TAG, seal_bytes, octets(tag)) == 1;
  if (!done) wipe(sealed.data(), sealed.size()); // which opens nowhere
}

result<std::span<std::byte>> open_by(EVP_CIPHER_CTX* state, nonce const& once,
                                     std::span<std::byte const> associated,
                                     std::span<std::byte> sealed) noexcept {
  error const refused{errc::untrusted, "sealed bytes that do not open", 0};
  if (sealed.size() < seal_bytes) return refused;
  auto const text = sealed.first(sealed.size() - seal_bytes);
  auto const tag = sealed.last(seal_bytes);
  bool const opened = begin(state, once, associated) &&
                      EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_SET_TAG, seal_bytes, octets(tag)) == 1 &&
                      update(state, octets(text), text) && end(state);
  if (opened) return text;
  wipe(text.data(), text.size()); // it was decrypted before it was known to be false
  return refused;
}

} // namespace

void free_cipher_state::operator()(evp_cipher_ctx_st* state) const noexcept { EVP_CIPHER_CTX_free(state); }

void seal(std::span<std::byte const> key, nonce const& once, std::span<std::byte const> associated,
          std::span<std::byte const> plain, std::span<std::byte> sealed) {
  seal_by(state_for(key, direction::sealing).get(), once, associated, plain, sealed);
}

result<std::span<std::byte>> open(std::span<std::byte const> key, nonce const& once,
                                  std::span<std::byte const> associated, std::span<std::byte> sealed) {
  return open_by(state_for(key, direction::opening).get(), once, associated, sealed);
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

frame_sealer::frame_sealer(ephemeral_bytes key) : state_(state_for(key.reveal(), direction::sealing)) {}

void frame_sealer::seal(std::span<std::byte const> associated, std::span<std::byte const> plain,
                        std::span<std::byte> sealed) noexcept {
  seal_by(state_.get(), nonce_of(number_++), associated, plain, sealed);
}

frame_opener::frame_opener(ephemeral_bytes key) : state_(state_for(key.reveal(), direction::opening)) {}

result<std::span<std::byte>> frame_opener::open(std::span<std::byte const> associated,
                                                std::span<std::byte> sealed) noexcept {
  return open_by(state_.get(), nonce_of(number_++), associated, sealed);
}

} // namespace mayfly::crypto
