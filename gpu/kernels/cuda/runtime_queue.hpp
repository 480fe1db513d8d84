#pragma once
// The queue of a real device: CUDA's runtime and cuBLASLt.
#include "gpu/kernels/cuda/queue.hpp"

#include <cstdint>

namespace mayfly::gpu::cuda {

/// Errors: backend_failed (`number`: CUDA's or cuBLAS's), out_of_memory. Precondition: the device was probed.
result<std::unique_ptr<device_queue>> make_runtime_queue(std::uint32_t device);

} // namespace mayfly::gpu::cuda
