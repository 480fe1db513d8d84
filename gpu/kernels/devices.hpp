#pragma once
// From a choice to a backend.
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/device_choice.hpp"

namespace mayfly::gpu {

/// Errors: those of make_cpu_backend and open_cuda; with device_kind::any what open_cuda says is not one.
result<std::unique_ptr<backend>> make_device(device_choice const& choice, cpu_options const& processors);

/// A backend out of the CUDA plug-in, which stays loaded until the process ends. Errors: configuration (the
/// plug-in is missing, its libraries are, or it is of another build; there is no driver; `number`: how many
/// devices there are, where the index is beyond them), unsupported (a device that is too old; `number`: its
/// compute capability, times ten), out_of_memory, backend_failed.
result<std::unique_ptr<backend>> open_cuda(device_choice const& choice);

/// Whether `open_cuda` would find its device usable; nothing is made there. Errors: those.
result<void> probe_cuda(device_choice const& choice);

} // namespace mayfly::gpu
