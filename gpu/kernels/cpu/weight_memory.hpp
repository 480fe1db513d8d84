#pragma once
#include <cstddef>
#include <memory>
#include <mutex>

namespace mayfly::gpu::cpu {

/// Memory for packed weights: zeroed, 64-byte aligned, in huge pages where the system has them. Weights are
/// not content: nothing here is locked or wiped. Blocks are cut from large chunks; a chunk is unmapped when
/// the last of its blocks is gone. Thread-safe.
class weight_memory {
public:
  /// Null if the system gives none.
  std::shared_ptr<std::byte> allocate(std::size_t bytes);

private:
  std::mutex mutex_;
  std::shared_ptr<std::byte> chunk_;
  std::size_t chunk_bytes_ = 0;
  std::size_t used_ = 0;
};

} // namespace mayfly::gpu::cpu
