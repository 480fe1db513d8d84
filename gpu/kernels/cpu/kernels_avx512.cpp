#if defined(__x86_64__)
#include "gpu/kernels/cpu/lanes_avx512.hpp"
// The lanes come first: what follows is written in their terms.
#include "gpu/kernels/cpu/kernels.hpp"

namespace mayfly::gpu::cpu {

constinit kernel_table const avx512_kernels = table_named("cpu-avx512");

} // namespace mayfly::gpu::cpu

#endif
