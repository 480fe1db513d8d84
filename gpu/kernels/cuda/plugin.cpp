// The entry of libmayfly_cuda.so: see gpu/kernels/plugin.hpp.
#include "gpu/kernels/plugin.hpp"

#include "gpu/kernels/cuda/cuda_backend.hpp"
#include "gpu/kernels/cuda/runtime_queue.hpp"

#include <cuda_runtime_api.h>
#include <new>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::uint32_t least_capability = 80; // bf16 mma

device_report probe(std::uint32_t index) {
  device_report report;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess) {
    cudaGetLastError();
    return report;
  }
  report.devices = static_cast<std::uint32_t>(devices);
  report.outcome = probe_outcome::no_such_device;
  if (index >= report.devices) return report;
  int major = 0;
  int minor = 0;
  auto const device = static_cast<int>(index);
  report.outcome = probe_outcome::no_driver;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess) {
    cudaGetLastError();
    return report;
  }
  report.capability = static_cast<std::uint32_t>(major * 10 + minor);
  report.outcome = report.capability < least_capability ? probe_outcome::too_old : probe_outcome::usable;
  return report;
}

backend* create(std::uint32_t index, error* failure) try {
  auto queue = make_runtime_queue(index);
  if (queue) return new cuda_backend(std::move(*queue), {});
  *failure = queue.failure();
  return nullptr;
} catch (std::bad_alloc const&) {
  *failure = {errc::out_of_memory, "no memory for a CUDA backend", 0};
  return nullptr;
}

} // namespace
} // namespace mayfly::gpu::cuda

extern "C" [[gnu::visibility("default")]] mayfly::gpu::backend_plugin const* mayfly_backend_plugin() {
  static mayfly::gpu::backend_plugin const table{mayfly::gpu::backend_plugin_version,
                                                 mayfly::gpu::backend_plugin_build, mayfly::gpu::cuda::probe,
                                                 mayfly::gpu::cuda::create};
  return &table;
}
