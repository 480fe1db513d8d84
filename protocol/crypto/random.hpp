#pragma once
#include "protocol/base/ephemeral.hpp"

namespace mayfly::crypto {

/// Fills the span with random bytes from the kernel (libsodium's randombytes).
void fill_random(std::span<std::byte> bytes) noexcept;

/// `count` random bytes in memory that wipes itself: seeds, keys, API keys before they are shown.
ephemeral_bytes random_bytes(std::size_t count);

} // namespace mayfly::crypto
