#pragma once
// The paged KV cache's allocator (Kwon et al., PagedAttention, 2023): fixed blocks, a free list, no copies.
#include "gpu/engine/executor.hpp"

#include <cstdint>
#include <vector>

namespace mayfly::gpu {

/// Hands out the KV blocks of one engine. Every block on the free list is zero, or will be before anything
/// that is enqueued later: `release` enqueues the wiping first.
class block_pool {
public:
  /// Of the executor's KV memory.
  explicit block_pool(executor& engine);

  std::uint32_t total() const noexcept { return shape_.blocks; }
  std::uint32_t free() const noexcept { return static_cast<std::uint32_t>(free_.size()); }
  std::uint32_t block_tokens() const noexcept { return shape_.block_tokens; }
  std::uint32_t blocks_for(std::size_t tokens) const noexcept;

  /// Appends `count` blocks to `blocks`. Precondition: as many are free.
  void take(std::uint32_t count, std::vector<std::uint32_t>& blocks);

  /// Enqueues the wiping of `blocks`, takes them back and clears the list. Returns their size in bytes, which
  /// are zero once the executor has synchronised without failing.
  std::size_t release(std::vector<std::uint32_t>& blocks);

  /// Wipes every block and waits for it: the way back after a backend failed, when nobody knows which of the
  /// wipes before took place. Errors: backend_failed.
  result<void> wipe_all();

private:
  executor& executor_;
  kv_shape shape_;
  std::vector<std::uint32_t> free_; ///< a stack: blocks used last are still in the caches
};

} // namespace mayfly::gpu
