#include "protocol/base/locked_memory.hpp"

#include "protocol/base/wipe.hpp"

#include <array>
#include <bit>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <vector>

namespace mayfly {
namespace {

constexpr std::size_t smallest_bytes = 64;
constexpr std::size_t largest_pooled_bytes = std::size_t{1} << 20;
constexpr std::size_t chunk_bytes = std::size_t{4} << 20;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t class_count = std::bit_width(largest_pooled_bytes / smallest_bytes);

struct free_block {
  free_block* next;
};

std::size_t round_up(std::size_t bytes) {
  if (bytes > largest_pooled_bytes) return (bytes + page_bytes - 1) / page_bytes * page_bytes;
  return std::bit_ceil(bytes < smallest_bytes ? smallest_bytes : bytes);
}

class locked_pool final : public std::pmr::memory_resource {
public:
  locked_memory_figures figures() noexcept {
    std::scoped_lock guard(mutex_);
    return figures_;
  }

  void lock(void* memory, std::size_t size) noexcept {
    madvise(memory, size, MADV_DONTDUMP);
    std::scoped_lock guard(mutex_);
    secure(memory, size);
    figures_.reserved_bytes += size;
  }
  void unlock(void* memory, std::size_t size) noexcept {
    munlock(memory, size);
    std::scoped_lock guard(mutex_);
    forget(memory, size);
  }

private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (alignment > page_bytes) throw std::bad_alloc();
    auto const size = round_up(bytes < alignment ? alignment : bytes);
    std::scoped_lock guard(mutex_);
    void* block = size > largest_pooled_bytes ? map(size) : take(size);
    figures_.in_use_bytes += size;
    return block;
  }

  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    auto const size = round_up(bytes < alignment ? alignment : bytes);
    wipe(block, size);
    std::scoped_lock guard(mutex_);
    figures_.in_use_bytes -= size;
    if (size > largest_pooled_bytes) return unmap(block, size);
    auto*& head = free_[class_of(size)];
    head = new (block) free_block{head};
  }

  bool do_is_equal(memory_resource const& other) const noexcept override { return this == &other; }

  static std::size_t class_of(std::size_t size) { return std::bit_width(size / smallest_bytes) - 1; }

  void* take(std::size_t size) {
    auto*& head = free_[class_of(size)];
    if (head == nullptr) return cut(size);
    auto* block = head;
    head = block->next;
    wipe(block, sizeof(free_block));
    return block;
  }

  void* cut(std::size_t size) {
    // Blocks are aligned to their size up to a page because chunks are page-aligned and the cursor is kept a
    // multiple of the size; what is skipped is lost to this chunk (at most half of it, once a chunk).
    auto const start = (cursor_ + size - 1) / size * size;
    if (chunk_ == nullptr || start + size > chunk_bytes) {
      chunk_ = static_cast<std::byte*>(map(chunk_bytes));
      cursor_ = size;
      return chunk_;
    }
    cursor_ = start + size;
    return chunk_ + start;
  }

  void* map(std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, size, MADV_DONTDUMP);
    secure(memory, size);
    figures_.reserved_bytes += size;
    return memory;
  }

  void unmap(void* memory, std::size_t size) {
    munmap(memory, size);
    forget(memory, size);
  }

  void secure(void* memory, std::size_t size) {
    if (mlock(memory, size) == 0) return;
    unlocked_.push_back(memory);
    figures_.unlocked_bytes += size;
  }

  void forget(void* memory, std::size_t size) {
    figures_.reserved_bytes -= size;
    if (std::erase(unlocked_, memory) != 0) figures_.unlocked_bytes -= size;
  }

  std::mutex mutex_;
  std::array<free_block*, class_count> free_{};
  std::byte* chunk_ = nullptr;
  std::size_t cursor_ = 0;
  std::vector<void*> unlocked_; ///< mappings
  locked_memory_figures figures_;
};

locked_pool& pool() noexcept {
  // Never destroyed: ephemeral objects with static lifetime may outlive any destructor order.
  static auto* instance = new locked_pool;
  return *instance;
}

} // namespace

std::pmr::memory_resource& locked_memory() noexcept { return pool(); }
locked_memory_figures locked_memory_usage() noexcept { return pool().figures(); }
void lock_content(void* memory, std::size_t bytes) noexcept { pool().lock(memory, bytes); }
void unlock_content(void* memory, std::size_t bytes) noexcept { pool().unlock(memory, bytes); }

} // namespace mayfly
