#include "protocol/base/wipe.hpp"

#include <cstring>

namespace mayfly {

void wipe(void* memory, std::size_t bytes) noexcept {
  if (bytes == 0) return;
  std::memset(memory, 0, bytes);
  // The compiler must assume that somebody reads the memory: the stores stay (C11 Annex K's intent, see
  // Yang et al., "Dead Store Elimination (Still) Considered Harmful", USENIX Security 2017).
  asm volatile("" : : "r"(memory) : "memory");
}

[[gnu::noinline]] void wipe_stack() noexcept {
  unsigned char below[96 * 1024];
  wipe(below, sizeof below);
}

} // namespace mayfly
