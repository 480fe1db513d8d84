#pragma once
// A device queue without a device: device memory is host memory, work runs when it is enqueued, or is kept
// where a recording is under way and runs at each replay, with the addresses and numbers it was recorded
// with.
#include "gpu/kernels/cuda/queue.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <vector>

namespace mayfly::gpu::emulation {

/// How the device misbehaves, for tests that prove that something notices.
struct queue_faults {
  bool clears_nothing = false;         ///< `clear` leaves memory as it is
  std::size_t memory_bytes = SIZE_MAX; ///< of the device
  bool records = true;
};

/// A span of the memory that is allocated now.
struct memory_span {
  std::byte const* begin = nullptr;
  std::size_t bytes = 0;
  cuda::memory_place place = cuda::memory_place::device;
};

class emulated_queue final : public cuda::device_queue {
public:
  explicit emulated_queue(queue_faults const& faults = {}) : faults_(faults) {}
  ~emulated_queue() override;

  literal name() const noexcept override { return "cuda-emulated"; }
  unsigned processors() const noexcept override { return 4; }
  std::uint64_t device_bytes() const noexcept override {
    return std::min(faults_.memory_bytes, emulated_bytes);
  }
  std::byte* allocate(std::size_t bytes, cuda::memory_place place) noexcept override;
  void free(std::byte* memory, cuda::memory_place place) noexcept override;
  void copy(void* to, void const* from, std::size_t bytes) override;
  void clear(void* memory, std::size_t bytes) override;
  /// A plain loop in place of cuBLASLt: the one thing that the emulation does not cover.
  void multiply(cuda::dense_product const& product) override;
  bool begin_recording() override;
  std::unique_ptr<cuda::recording> end_recording() override;
  void replay(cuda::recording& recorded) override;
  result<void> wait() override;
  bool is_idle() const noexcept override { return under_way_ == 0; } // its own work runs when it is enqueued
  void mark() noexcept override { ++marks_; }
  /// Others' work is done in its order: each piece that is under way holds one mark back.
  std::uint64_t marks_done() noexcept override { return marks_ - static_cast<std::uint64_t>(under_way_); }
  /// A count (std::atomic<int>) of what others have under way here: the queue's work comes after that.
  void* native() const noexcept override { return &under_way_; }
  void note(int) noexcept override {}

  /// Runs `work`, or keeps it for the recording. A fault of a kernel fails every `wait` that follows.
  void enqueue(std::function<void()> work);

  /// For tests that look for what was left.
  std::vector<memory_span> memory() const;
  std::size_t replays() const noexcept { return replays_; }
  /// The text of the first fault; empty if there was none.
  std::string const& broken() const noexcept { return broken_; }
  /// From now on every `wait` fails, as after a fault that the device cannot recover from.
  void break_down() { broken_ = "told to"; }

private:
  void run(std::function<void()> const& work);
  void await_others();

  static constexpr std::size_t emulated_bytes = std::size_t{1} << 33U;

  queue_faults faults_;
  std::map<std::byte*, memory_span> memory_;
  std::size_t used_bytes_ = 0; ///< of the device
  bool recording_ = false;
  std::vector<std::function<void()>> recorded_;
  std::size_t replays_ = 0;
  std::string broken_;
  mutable std::atomic<int> under_way_{0};
  std::atomic<std::uint64_t> marks_{0};
};

} // namespace mayfly::gpu::emulation
