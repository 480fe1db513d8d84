#pragma once
// What an engine computes with: a network, its KV memory and its device, and, at rank 0 of a group, the other
// ranks, which do the same at the same time.
#include "gpu/group.hpp"
#include "gpu/model/device_buffer.hpp"

#include <memory>

namespace mayfly::gpu {

/// What an engine runs on. The network and the KV memory use the device, and go before it.
struct engine_parts {
  std::unique_ptr<backend> device;
  std::unique_ptr<model> network;
  std::unique_ptr<kv_memory> kv;
  kv_shape shape; ///< of this rank's share
  tensor_parallel part{};
  std::uint64_t fingerprint = 0; ///< of the model file's tensors
  device_buffer zeros{};         ///< on the device, for its collective to scrub with
};

class executor {
public:
  explicit executor(engine_parts parts) : parts_(std::move(parts)) {}

  backend& device() noexcept { return *parts_.device; }
  model const& network() const noexcept { return *parts_.network; }
  kv_shape const& shape() const noexcept { return parts_.shape; }
  std::uint64_t fingerprint() const noexcept { return parts_.fingerprint; }
  std::uint64_t device_bytes() const noexcept { return parts_.device->device_bytes(); }
  literal device_name() const noexcept { return parts_.device->name(); }

  /// See model::forward.
  float const* forward(step_batch const& batch) {
    if (parts_.part.others) parts_.part.others->step(batch);
    return parts_.network->forward(batch, *parts_.kv);
  }

  /// Enqueues the zeroing of `blocks` and of what `extent` says, on every rank.
  void wipe(std::span<std::uint32_t const> blocks, wipe_extent extent);
  /// Of every block.
  void wipe_all_blocks();

  /// Waits for all that was enqueued here. Errors: backend_failed.
  result<void> synchronize_device() { return parts_.device->synchronize(); }
  /// Waits for the other ranks' wipes, and tells whether what was computed with them holds. Errors:
  /// worker_lost, backend_failed.
  result<void> settle();
  /// Both.
  result<void> synchronize() {
    auto const done = synchronize_device();
    return done ? settle() : done;
  }

private:
  engine_parts parts_;
};

} // namespace mayfly::gpu
