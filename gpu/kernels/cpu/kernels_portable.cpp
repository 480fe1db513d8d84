#include "gpu/kernels/cpu/lanes_portable.hpp"
// The lanes come first: what follows is written in their terms.
#include "gpu/kernels/cpu/kernels.hpp"

namespace mayfly::gpu::cpu {

constinit kernel_table const portable_kernels = table_named("cpu-portable");

} // namespace mayfly::gpu::cpu
