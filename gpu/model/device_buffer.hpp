#pragma once
#include "gpu/kernels/backend.hpp"

#include <new>
#include <utility>

namespace mayfly::gpu {

/// Activations [rows][width] on a device, allocated once; remembers how much of it was written, so that
/// wiping after small steps stays cheap. The constructor throws std::bad_alloc.
class device_buffer {
public:
  device_buffer() noexcept = default;
  device_buffer(backend& device, std::size_t rows, std::size_t width)
      : device_(&device), memory_(device.allocate(rows * width)), rows_(rows), width_(width) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  device_buffer(device_buffer&& other) noexcept { swap(other); }
  device_buffer& operator=(device_buffer&& other) noexcept {
    device_buffer(std::move(other)).swap(*this);
    return *this;
  }
  device_buffer(device_buffer const&) = delete;
  device_buffer& operator=(device_buffer const&) = delete;
  ~device_buffer() {
    if (memory_ != nullptr) device_->release(memory_, rows_ * width_);
  }

  /// Its device address, before a kernel writes the first `rows` rows.
  float* write(std::size_t rows) noexcept {
    written_ = rows > written_ ? rows : written_;
    return memory_;
  }
  float const* read() const noexcept { return memory_; }

  /// Enqueues the wiping of what was written.
  void wipe() {
    if (written_ != 0) device_->wipe(memory_, written_ * width_);
    written_ = 0;
  }

private:
  void swap(device_buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(rows_, other.rows_);
    std::swap(width_, other.width_);
    std::swap(written_, other.written_);
  }

  backend* device_ = nullptr;
  float* memory_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t width_ = 0;
  std::size_t written_ = 0; ///< rows
};

} // namespace mayfly::gpu
