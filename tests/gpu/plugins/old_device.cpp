// Finds two devices, the second too old.
#include "gpu/kernels/plugin.hpp"

namespace {

mayfly::gpu::device_report probe(std::uint32_t index) {
  using mayfly::gpu::probe_outcome;
  if (index >= 2) return {probe_outcome::no_such_device, 2, 0};
  return index == 0 ? mayfly::gpu::device_report{probe_outcome::usable, 2, 90}
                    : mayfly::gpu::device_report{probe_outcome::too_old, 2, 75};
}
mayfly::gpu::backend* create(std::uint32_t, mayfly::error* failure) {
  *failure = {mayfly::errc::out_of_memory, "the device is full", 0};
  return nullptr;
}

} // namespace

extern "C" [[gnu::visibility("default")]] mayfly::gpu::backend_plugin const* mayfly_backend_plugin() {
  static mayfly::gpu::backend_plugin const table{mayfly::gpu::backend_plugin_version,
                                                 mayfly::gpu::backend_plugin_build, probe, create};
  return &table;
}
