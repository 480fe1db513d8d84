#pragma once
#include "protocol/base/result.hpp"

namespace mayfly::crypto {

/// Readies libsodium (chooses its fastest implementations, opens its randomness). Thread-safe, cheap when
/// done before; every function of this folder that needs it calls it, main calls it first to fail early.
/// Errors: internal (libsodium cannot start).
result<void> initialise() noexcept;

} // namespace mayfly::crypto
