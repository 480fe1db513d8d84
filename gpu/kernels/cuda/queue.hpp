#pragma once
// The seam between the backend and the machine: memory, one stream of work, recordings of it, and the one
// library that multiplies large matrices. Two implementations: the CUDA runtime (runtime_queue.cpp, in the
// plug-in) and the emulation (gpu/kernels/emulation/queue.*), which runs the whole backend in host memory.
// Kernels are started by `launch` of device.cuh.
#include "protocol/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace mayfly::gpu::cuda {

/// `pinned` is the host's, and the device's copy engine reaches it.
enum class memory_place : std::uint8_t { device, pinned };

enum class number_format : std::uint8_t { f32, bf16, f16 };

/// sums[tokens][rows] (+)= x[tokens][columns] * weight[rows][columns]^T, all row-major. Multiplied in
/// `format`, summed in f32. `columns` is a multiple of 64 but with f32.
struct dense_product {
  number_format format = number_format::bf16;
  void const* weight = nullptr;
  void const* x = nullptr; ///< of the weight's format
  float* sums = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t tokens = 0;
  std::size_t weight_stride = 0; ///< elements from row to row
  std::size_t sums_stride = 0;   ///< floats from token to token
  bool adds = false;
  void* workspace = nullptr; ///< for partial sums; the backend's, which wipes it
  std::size_t workspace_bytes = 0;
};

/// Work that was recorded once and runs again with the same addresses and sizes.
class recording {
public:
  virtual ~recording() = default;
};

/// Everything but `allocate` and `free` is enqueued, runs in order, and reports failures in `wait`.
class device_queue {
public:
  virtual ~device_queue() = default;

  virtual literal name() const noexcept = 0;
  /// Streaming multiprocessors: how many blocks make the device busy.
  virtual unsigned processors() const noexcept = 0;
  /// Of its memory; 0 where the device does not say.
  virtual std::uint64_t device_bytes() const noexcept = 0;

  /// Not zeroed; 256-byte aligned; null if there is none. Nothing is enqueued while memory is freed.
  virtual std::byte* allocate(std::size_t bytes, memory_place place) noexcept = 0;
  virtual void free(std::byte* memory, memory_place place) noexcept = 0;

  /// Host memory on either side is pinned.
  virtual void copy(void* to, void const* from, std::size_t bytes) = 0;
  /// Writes zeros.
  virtual void clear(void* memory, std::size_t bytes) = 0;
  virtual void multiply(dense_product const& product) = 0;

  /// From here on work is recorded, not run. False if it cannot be: then it runs as ever.
  virtual bool begin_recording() = 0;
  /// Null if recording failed: what was meant to be recorded did not run.
  virtual std::unique_ptr<recording> end_recording() = 0;
  virtual void replay(recording& recorded) = 0;

  /// Waits for all that was enqueued. Errors: backend_failed (`number`: CUDA's or cuBLAS's own). What the
  /// device cannot recover from fails every wait from then on.
  virtual result<void> wait() = 0;

  /// True once all that was enqueued is done, or has failed. Any thread.
  virtual bool is_idle() const noexcept = 0;

  /// Enqueues a mark, and how many were passed, at the least. Any thread.
  virtual void mark() noexcept = 0;
  virtual std::uint64_t marks_done() noexcept = 0;

  /// The CUDA stream, for `launch`; and the status of one, kept for `wait`. Emulated: what the emulation
  /// says.
  virtual void* native() const noexcept = 0;
  virtual void note(int status) noexcept = 0;
};

} // namespace mayfly::gpu::cuda
