#pragma once
// The device that a check runs on: CUDA's (machine_cuda.cpp) or the emulated one (machine_emulated.cpp). Each
// check is linked with either.
#include "gpu/kernels/cuda/cuda_backend.hpp"

#include <functional>
#include <memory>

namespace mayfly::gpu::check {

/// How a queue misbehaves: for controls, and for what replay is compared with.
struct machine_faults {
  bool clears_nothing = false;
  bool records_nothing = false;
};

inline constexpr machine_faults no_faults{};

/// Null where there is no device, which standard error then says. `faults` must outlive it; on a GPU a change
/// takes effect at once, in emulation none does.
std::unique_ptr<cuda::device_queue> open_queue(machine_faults const& faults = no_faults);

/// A backend over such a queue; small regions in emulation.
std::unique_ptr<cuda::cuda_backend> open_backend(machine_faults const& faults = no_faults);

/// A GPU: figures of speed mean something, freed memory is the device's.
bool is_real() noexcept;

} // namespace mayfly::gpu::check
