#include "gpu/kernels/cpu/weight_memory.hpp"

#include <sys/mman.h>

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
constexpr std::size_t smallest_chunk_bytes = std::size_t{32} << 20;

std::size_t round_up(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }

// Mapped with a huge page more than asked for, then trimmed to its alignment.
std::shared_ptr<std::byte> map_chunk(std::size_t bytes) {
  auto const mapped = bytes + huge_page_bytes;
  void* const start = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto const address = reinterpret_cast<std::uintptr_t>(start);
  auto const before = round_up(address, huge_page_bytes) - address;
  auto* const chunk = static_cast<std::byte*>(start) + before;
  if (before != 0) ::munmap(start, before);
  if (before != huge_page_bytes) ::munmap(chunk + bytes, huge_page_bytes - before);
  ::madvise(chunk, bytes, MADV_HUGEPAGE);
  return {chunk, [bytes](std::byte* memory) { ::munmap(memory, bytes); }};
}

} // namespace

std::shared_ptr<std::byte> weight_memory::allocate(std::size_t bytes) {
  auto const wanted = round_up(bytes == 0 ? 1 : bytes, 64);
  std::scoped_lock const guard(mutex_);
  if (chunk_ == nullptr || wanted > chunk_bytes_ - used_) {
    auto const size =
        round_up(wanted > smallest_chunk_bytes ? wanted : smallest_chunk_bytes, huge_page_bytes);
    auto fresh = map_chunk(size);
    if (fresh == nullptr) return nullptr;
    chunk_ = std::move(fresh);
    chunk_bytes_ = size;
    used_ = 0;
  }
  auto* const block = chunk_.get() + used_;
  used_ += wanted;
  return {chunk_, block};
}

} // namespace mayfly::gpu::cpu
