#pragma once
// The memory of one rendering: everything that a template computes lives here, goes at once, and is wiped.
// Nothing in it is ever destroyed one by one.
#include "gpu/text/jinja/failure.hpp"
#include "protocol/base/locked_memory.hpp"

#include <memory_resource>
#include <new>

namespace mayfly::gpu::jinja {

/// Locked memory up to a bound.
class bounded_memory final : public std::pmr::memory_resource {
public:
  explicit bounded_memory(std::size_t limit_bytes) noexcept : left_(limit_bytes) {}

private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (bytes > left_) fail(errc::too_large, "a chat template took more memory than it may");
    left_ -= bytes;
    return locked_memory().allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    left_ += bytes;
    locked_memory().deallocate(block, bytes, alignment);
  }
  bool do_is_equal(memory_resource const& other) const noexcept override { return this == &other; }

  std::size_t left_;
};

class arena {
public:
  explicit arena(std::size_t limit_bytes) : bounded_(limit_bytes), blocks_(first_block_bytes, &bounded_) {}

  std::pmr::memory_resource* resource() noexcept { return &blocks_; }

  /// A `T` that lives as long as the arena; its destructor never runs.
  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) {
    return new (blocks_.allocate(sizeof(T), alignof(T))) T(std::forward<Arguments>(arguments)...);
  }

private:
  static constexpr std::size_t first_block_bytes = std::size_t{16} << 10;
  bounded_memory bounded_;
  std::pmr::monotonic_buffer_resource blocks_;
};

} // namespace mayfly::gpu::jinja
