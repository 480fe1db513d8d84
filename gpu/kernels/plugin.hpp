#pragma once
// What a backend in a shared library shows: one C function, which hands out this table. The backend itself
// crosses as a C++ object, so both sides must be of one build: `build` says so, and the loader compares it.
#include "gpu/kernels/backend.hpp"

#include <cstdint>

namespace mayfly::gpu {

/// Of this table and of backend.hpp: raised with any change of either.
inline constexpr std::uint32_t backend_plugin_version = 3;
inline constexpr char backend_plugin_build[] = "mayfly backend 3, compiler " __VERSION__;
inline constexpr char const* backend_plugin_entry = "mayfly_backend_plugin";

enum class probe_outcome : std::uint32_t { usable = 0, no_driver = 1, no_such_device = 2, too_old = 3 };

struct device_report {
  probe_outcome outcome = probe_outcome::no_driver;
  std::uint32_t devices = 0;
  std::uint32_t capability = 0; ///< major * 10 + minor
};

struct backend_plugin {
  std::uint32_t version = backend_plugin_version;
  char const* build = backend_plugin_build;
  /// What device `index` is; creates nothing.
  device_report (*probe)(std::uint32_t index) = nullptr;
  /// Null where `failure` says why. Deleted as any backend is.
  backend* (*create)(std::uint32_t index, error* failure) = nullptr;
};

} // namespace mayfly::gpu

/// backend_plugin_entry; the table lives as long as the library.
extern "C" mayfly::gpu::backend_plugin const* mayfly_backend_plugin();
