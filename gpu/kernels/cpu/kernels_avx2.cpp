#if defined(__x86_64__)
#include "gpu/kernels/cpu/lanes_avx2.hpp"
// The lanes come first: what follows is written in their terms.
#include "gpu/kernels/cpu/kernels.hpp"

namespace mayfly::gpu::cpu {

constinit kernel_table const avx2_kernels = table_named("cpu-avx2");

} // namespace mayfly::gpu::cpu

#endif
