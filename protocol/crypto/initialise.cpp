#include "protocol/crypto/initialise.hpp"

#include <sodium.h>

namespace mayfly::crypto {

result<void> initialise() noexcept {
  static bool const ready = sodium_init() >= 0;
  if (!ready) return error{errc::internal, "libsodium cannot start", 0};
  return {};
}

} // namespace mayfly::crypto
