#pragma once
// Memory for content: locked (never swapped), left out of core dumps, zeroed on release.
#include <cstddef>
#include <memory_resource>

namespace mayfly {

/// Figures of the process-wide content memory, in bytes.
struct locked_memory_figures {
  std::size_t in_use_bytes = 0;   ///< handed out now
  std::size_t reserved_bytes = 0; ///< mapped from the system
  std::size_t unlocked_bytes = 0; ///< of those, what mlock refused (RLIMIT_MEMLOCK)
};

/// The process-wide resource behind every ephemeral type. Thread-safe. Blocks are wiped when they come back.
/// Size classes of powers of two from 64 B to 1 MiB are cut from 4 MiB chunks; larger blocks are mapped alone
/// and unmapped on release. `allocate` throws std::bad_alloc if the system gives no memory.
std::pmr::memory_resource& locked_memory() noexcept;

locked_memory_figures locked_memory_usage() noexcept;

/// Memory for content that is mapped elsewhere (whole pages): locked, left out of core dumps; what mlock
/// refuses counts as unlocked. Its owner wipes it.
void lock_content(void* memory, std::size_t bytes) noexcept;
/// Before it is unmapped.
void unlock_content(void* memory, std::size_t bytes) noexcept;

} // namespace mayfly
