// The malloc family of the product's executable: every freed block is zeroed before it returns to the heap,
// so that copies made by libraries (TLS, HTTP, JSON, sockets) go too. Sanitizer builds bring their own
// allocator and leave this file out.
#include "protocol/base/wipe.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <malloc.h>

extern "C" {

// glibc's own names for what is replaced here.
void* __libc_malloc(std::size_t bytes); // NOLINT(bugprone-reserved-identifier)
void __libc_free(void* block);          // NOLINT(bugprone-reserved-identifier)

void free(void* block) noexcept {
  if (block == nullptr) return;
  int const kept = errno; // free must not change it (POSIX.1-2024)
  mayfly::wipe(block, malloc_usable_size(block));
  __libc_free(block);
  errno = kept;
}

void* realloc(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return __libc_malloc(bytes);
  if (bytes == 0) {
    free(block);
    return nullptr;
  }
  std::size_t const old_bytes = malloc_usable_size(block);
  // Within the block the tail may hold what was shrunk away: it stays owned, and is zeroed when the block is
  // freed.
  if (bytes <= old_bytes && old_bytes - bytes < old_bytes / 2) return block;
  void* moved = __libc_malloc(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, bytes < old_bytes ? bytes : old_bytes);
  free(block);
  return moved;
}

} // extern "C"
