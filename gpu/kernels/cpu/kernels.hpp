#pragma once
// Fills a kernel table from the lanes of the file that includes this.
#include "gpu/kernels/cpu/attention_kernels.hpp"
#include "gpu/kernels/cpu/matrix_kernels.hpp"

namespace mayfly::gpu::cpu {
namespace {

// clang-format off
#define MAYFLY_QUANTISED(kind) \
  {multiply_group<packing::kind, 1>, multiply_group<packing::kind, 2>, multiply_group<packing::kind, 4>, \
   multiply_group<packing::kind, 8>}
#define MAYFLY_FLOAT(kind) \
  {multiply_float_group<packing::kind, 1>, multiply_float_group<packing::kind, 2>, \
   multiply_float_group<packing::kind, 4>}
#define MAYFLY_ATTEND(element) \
  {attend<1, element>, attend<2, element>, attend<3, element>, attend<4, element>, attend<5, element>, \
   attend<6, element>, attend<7, element>, attend<8, element>}
// clang-format on

consteval kernel_table table_named(literal name) {
  return {name,
          {MAYFLY_QUANTISED(q8), MAYFLY_QUANTISED(q4), MAYFLY_QUANTISED(q4_min), MAYFLY_QUANTISED(q5),
           MAYFLY_QUANTISED(q5_min), MAYFLY_QUANTISED(q4_k), MAYFLY_QUANTISED(q5_k), MAYFLY_QUANTISED(q6_k)},
          {MAYFLY_FLOAT(f32), MAYFLY_FLOAT(f16), MAYFLY_FLOAT(bf16)},
          quantise,
          rms_norm,
          gate,
          rotate,
          to_half,
          {MAYFLY_ATTEND(std::uint16_t), MAYFLY_ATTEND(float)},
          merge};
}

#undef MAYFLY_QUANTISED
#undef MAYFLY_FLOAT
#undef MAYFLY_ATTEND

} // namespace
} // namespace mayfly::gpu::cpu
