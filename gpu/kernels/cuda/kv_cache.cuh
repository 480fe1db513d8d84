#pragma once
// Where K and V of a position lie.
#include "gpu/kernels/cuda/device.cuh"
#include "gpu/kernels/cuda/kernels.hpp"

namespace mayfly::gpu::cuda {

enum class kv_half : std::uint8_t { keys, values };

/// The vector of one head at a position of a sequence whose blocks are `blocks`.
__device__ __forceinline__ std::byte* kv_vector(kv_view const& kv, std::uint32_t const* blocks, kv_half which,
                                                std::uint32_t head, std::uint32_t position) {
  std::uint32_t const element = kv.precision == kv_precision::f32 ? 4 : 2;
  std::size_t const plane = (which == kv_half::values ? kv.kv_heads : 0) + head;
  std::size_t const row = plane * kv.block_tokens + position % kv.block_tokens;
  return kv.base + blocks[position / kv.block_tokens] * kv.block_bytes + row * kv.head_dim * element;
}

} // namespace mayfly::gpu::cuda
