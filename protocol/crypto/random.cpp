#include "protocol/crypto/random.hpp"

#include <sodium.h>

namespace mayfly::crypto {

void fill_random(std::span<std::byte> bytes) noexcept {
  if (!bytes.empty()) randombytes_buf(bytes.data(), bytes.size());
}

ephemeral_bytes random_bytes(std::size_t count) {
  auto bytes = ephemeral_bytes::zeros(count);
  fill_random(bytes.reveal());
  return bytes;
}

} // namespace mayfly::crypto
