#pragma once
// mma.m16n8k16 over the 32 lanes of a warp at once. Which lane holds which element: see multiply_tiles in
// gpu/kernels/cuda/device.cuh, which follows the PTX ISA.
#include <cstdint>

namespace mayfly::gpu::emulation {

/// One lane's share of the three matrices.
struct matrix_fragment {
  float sums[4];
  std::uint32_t a[4];
  std::uint32_t b[2];
};

/// binary32 to bfloat16, to nearest even; NaN stays NaN.
std::uint32_t bfloat_bits(float value) noexcept;

/// `lanes`: matrix_fragment[32]. Products are exact and summed in f32 by ascending column of a: hardware's
/// own order is not documented, so results agree to rounding, not to the bit.
void multiply_bfloats(void* lanes, std::uint32_t mask);
void multiply_halves(void* lanes, std::uint32_t mask);

} // namespace mayfly::gpu::emulation
