#include "gpu/engine/block_pool.hpp"

#include <cassert>
#include <numeric>

namespace mayfly::gpu {

block_pool::block_pool(executor& engine) : executor_(engine), shape_(engine.shape()), free_(shape_.blocks) {
  std::iota(free_.rbegin(), free_.rend(), 0U);
}

std::uint32_t block_pool::blocks_for(std::size_t tokens) const noexcept {
  return static_cast<std::uint32_t>((tokens + shape_.block_tokens - 1) / shape_.block_tokens);
}

void block_pool::take(std::uint32_t count, std::vector<std::uint32_t>& blocks) {
  assert(count <= free_.size());
  for (std::uint32_t taken = 0; taken < count; ++taken) {
    blocks.push_back(free_.back());
    free_.pop_back();
  }
}

std::size_t block_pool::release(std::vector<std::uint32_t>& blocks) {
  if (blocks.empty()) return 0;
  executor_.wipe(blocks, wipe_extent::blocks);
  auto const bytes = blocks.size() * shape_.block_bytes();
  free_.insert(free_.end(), blocks.rbegin(), blocks.rend());
  blocks.clear();
  return bytes;
}

result<void> block_pool::wipe_all() {
  executor_.wipe_all_blocks();
  return executor_.synchronize_device();
}

} // namespace mayfly::gpu
