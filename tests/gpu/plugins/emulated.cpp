// The CUDA backend over the emulation, as a plug-in.
#include "gpu/kernels/cuda/cuda_backend.hpp"
#include "gpu/kernels/emulation/queue.hpp"
#include "gpu/kernels/plugin.hpp"

namespace {

using namespace mayfly::gpu;

device_report probe(std::uint32_t index) {
  return {index == 0 ? probe_outcome::usable : probe_outcome::no_such_device, 1, 90};
}

backend* create(std::uint32_t, mayfly::error*) {
  cuda::cuda_options options;
  options.region_bytes = std::size_t{1} << 20U;
  return new cuda::cuda_backend(std::make_unique<emulation::emulated_queue>(), options);
}

} // namespace

extern "C" [[gnu::visibility("default")]] backend_plugin const* mayfly_backend_plugin() {
  static backend_plugin const table{backend_plugin_version, backend_plugin_build, probe, create};
  return &table;
}
