// Built against another table.
#include "gpu/kernels/plugin.hpp"

namespace {

mayfly::gpu::device_report probe(std::uint32_t) { return {mayfly::gpu::probe_outcome::usable, 1, 90}; }
mayfly::gpu::backend* create(std::uint32_t, mayfly::error*) { return nullptr; }

} // namespace

extern "C" [[gnu::visibility("default")]] mayfly::gpu::backend_plugin const* mayfly_backend_plugin() {
  static mayfly::gpu::backend_plugin const table{mayfly::gpu::backend_plugin_version + 1,
                                                 mayfly::gpu::backend_plugin_build, probe, create};
  return &table;
}
