#pragma once
#include "protocol/base/result.hpp"

namespace mayfly::crypto {

/// Readies libsodium: chooses its fastest implementations and opens its source of randomness. Thread-safe,
/// cheap when done before. main calls it before anything of this folder, so as to fail early.
/// Errors: internal (libsodium cannot start).
result<void> initialise() noexcept;

} // namespace mayfly::crypto
