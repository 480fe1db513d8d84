#pragma once
// The one owner of device memory that holds content: KV, activations, logits, tables, workspaces. Free memory
// in it is zero, always: what comes back is wiped on the queue before anything that is enqueued later may use
// it. Weights are not content and live outside.
#include "gpu/kernels/cuda/queue.hpp"

#include <map>
#include <span>
#include <vector>

namespace mayfly::gpu::cuda {

class arena {
public:
  /// Takes memory from the device in regions of at least `region_bytes`.
  arena(device_queue& queue, std::size_t region_bytes) : queue_(queue), region_bytes_(region_bytes) {}
  /// Wipes everything, waits, and gives it back.
  ~arena();
  arena(arena const&) = delete;
  arena& operator=(arena const&) = delete;

  /// Zeroed, 256-byte aligned; null if the device has no more.
  std::byte* allocate(std::size_t bytes) noexcept;

  /// Enqueues the wiping of what `allocate` gave, and takes it back. Null does nothing.
  void release(std::byte* memory) noexcept;

  std::size_t used_bytes() const noexcept { return used_bytes_; }
  std::vector<std::span<std::byte const>> areas() const;

private:
  struct region {
    std::byte* memory;
    std::size_t bytes;
  };
  void join(std::map<std::byte*, std::size_t>::iterator first);
  bool same_region(std::byte const* one, std::byte const* other) const noexcept;

  device_queue& queue_;
  std::size_t region_bytes_;
  std::vector<region> regions_;
  std::map<std::byte*, std::size_t> free_; ///< by address; neighbours of a region are joined
  std::map<std::byte*, std::size_t> used_;
  std::size_t used_bytes_ = 0;
};

/// A piece of an arena that grows on demand and keeps nothing when it does. Remembers how much was asked for,
/// so that scrubbing after small steps stays cheap.
class workspace {
public:
  explicit workspace(arena& memory) : arena_(memory) {}
  ~workspace() { arena_.release(data_); }
  workspace(workspace const&) = delete;
  workspace& operator=(workspace const&) = delete;

  /// At least `bytes`; null if there is no memory.
  std::byte* reserve(std::size_t bytes) noexcept;

  /// Enqueues the wiping of what was asked for since the last call.
  void scrub(device_queue& queue);

  std::size_t size_bytes() const noexcept { return bytes_; }
  /// How often the address changed.
  std::size_t moves() const noexcept { return moves_; }

private:
  arena& arena_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t asked_ = 0;
  std::size_t moves_ = 0;
};

} // namespace mayfly::gpu::cuda
