#pragma once
#include "protocol/base/locked_memory.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

namespace mayfly::gpu::cpu {

/// Scratch that holds what is computed from content: locked, left out of dumps, wiped when it is released.
/// Grows only; growing wipes the old place and keeps nothing of it.
class content_memory {
public:
  content_memory() noexcept = default;
  content_memory(content_memory&& other) noexcept { swap(other); }
  content_memory& operator=(content_memory&& other) noexcept {
    content_memory(std::move(other)).swap(*this);
    return *this;
  }
  ~content_memory() { release(); }

  /// At least `bytes`, 64-byte aligned; null if there is no memory.
  std::byte* reserve(std::size_t bytes) noexcept {
    used_ = std::max(used_, bytes);
    if (bytes <= bytes_) return data_;
    release();
    auto const wanted = std::max(bytes, std::size_t{4096});
    try {
      data_ = static_cast<std::byte*>(locked_memory().allocate(wanted, alignment));
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
    bytes_ = wanted;
    used_ = bytes;
    return data_;
  }

  std::byte* data() const noexcept { return data_; }
  std::size_t size_bytes() const noexcept { return bytes_; }

  /// Wipes what was asked for since the last call.
  void scrub() noexcept {
    wipe(data_, std::min(used_, bytes_));
    used_ = 0;
  }

private:
  static constexpr std::size_t alignment = 64;

  void swap(content_memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(used_, other.used_);
  }
  void release() noexcept {
    if (data_ != nullptr) locked_memory().deallocate(data_, bytes_, alignment);
    data_ = nullptr;
    bytes_ = used_ = 0;
  }

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t used_ = 0;
};

} // namespace mayfly::gpu::cpu
