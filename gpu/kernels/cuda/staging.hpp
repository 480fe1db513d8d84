#pragma once
// The one piece of pinned memory through which everything goes to the device and comes back. What was staged
// stays there until the queue has been waited for; `scrub` wipes it.
#include "gpu/kernels/cuda/queue.hpp"

#include <span>

namespace mayfly::gpu::cuda {

class staging {
public:
  explicit staging(device_queue& queue) : queue_(queue) {}
  ~staging();
  staging(staging const&) = delete;
  staging& operator=(staging const&) = delete;

  /// `bytes` that nobody else uses until `settled`; null if the machine has no pinned memory. May wait.
  std::byte* take(std::size_t bytes);

  /// Enqueues the copying of host memory, which the caller may change at once. False: no memory.
  bool send(void const* from, std::size_t bytes, void* to);

  /// Copies device memory to host memory, and waits. False: no memory, or the queue failed (its next wait
  /// says so).
  bool fetch(void const* from, std::size_t bytes, void* to);

  /// The queue was waited for: what was taken is free again.
  void settled() noexcept { taken_ = 0; }

  std::span<std::byte const> area() const noexcept { return {data_, bytes_}; }

  /// Wipes what was staged. Precondition: the queue was waited for.
  void scrub() noexcept;

private:
  device_queue& queue_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t taken_ = 0;
  std::size_t dirty_ = 0; ///< bytes that hold something
};

} // namespace mayfly::gpu::cuda
