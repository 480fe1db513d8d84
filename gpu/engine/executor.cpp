#include "gpu/engine/executor.hpp"

#include <numeric>

namespace mayfly::gpu {

void executor::wipe(std::span<std::uint32_t const> blocks, wipe_extent extent) {
  if (parts_.part.others) parts_.part.others->wipe(blocks, extent);
  if (!blocks.empty()) parts_.device->wipe_blocks(*parts_.kv, blocks);
  if (extent == wipe_extent::logits) parts_.network->wipe_logits();
  if (extent >= wipe_extent::activations) parts_.network->wipe_activations();
  if (extent == wipe_extent::everything) parts_.device->scrub();
}

void executor::wipe_all_blocks() {
  std::vector<std::uint32_t> every(parts_.shape.blocks);
  std::iota(every.begin(), every.end(), 0U);
  wipe(every, wipe_extent::blocks);
}

result<void> executor::settle() {
  auto const& group = parts_.part.group;
  if (group && group->poll() == collective_state::failed) return group->failure();
  return parts_.part.others ? parts_.part.others->settle() : result<void>();
}

} // namespace mayfly::gpu
