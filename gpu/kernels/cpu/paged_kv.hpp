#pragma once
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cpu/content_memory.hpp"

namespace mayfly::gpu::cpu {

/// KV memory in the contract's layout, but that K stands transposed in a block, [head_dim][position]: scores
/// of 16 positions are then 16 lanes, and nothing is summed across lanes.
class paged_kv final : public kv_memory {
public:
  paged_kv(kv_shape const& shape, content_memory memory) : shape_(shape), memory_(std::move(memory)) {}

  kv_shape const& shape() const noexcept { return shape_; }
  std::byte* block(std::uint32_t index) const noexcept {
    return memory_.data() + index * shape_.block_bytes();
  }

  /// K of one head in one block: [head_dim][block_tokens].
  std::byte* keys(std::uint32_t block_index, std::uint32_t layer, std::uint32_t head) const noexcept {
    return plane(block_index, layer * 2, head);
  }
  /// V: [block_tokens][head_dim].
  std::byte* values(std::uint32_t block_index, std::uint32_t layer, std::uint32_t head) const noexcept {
    return plane(block_index, layer * 2 + 1, head);
  }

private:
  std::byte* plane(std::uint32_t block_index, std::size_t half_layer, std::uint32_t head) const noexcept {
    auto const bytes = shape_.element_bytes() * shape_.block_tokens * shape_.head_dim;
    return block(block_index) + (half_layer * shape_.kv_heads + head) * bytes;
  }

  kv_shape shape_;
  content_memory memory_;
};

inline paged_kv& of(kv_memory& memory) noexcept { return static_cast<paged_kv&>(memory); }
inline paged_kv const& of(kv_memory const& memory) noexcept { return static_cast<paged_kv const&>(memory); }

} // namespace mayfly::gpu::cpu
