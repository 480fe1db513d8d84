#pragma once
#include <concepts>
#include <filesystem>
#include <utility>

namespace mayfly::gpu {

/// Where a model's file is: a path, or an open descriptor, for those who may no longer walk there. The
/// descriptor stays the caller's.
struct model_file {
  model_file() = default;
  template <class Path>
    requires std::constructible_from<std::filesystem::path, Path>
  model_file(Path&& where) : path(std::forward<Path>(where)) {}
  explicit model_file(int opened) : descriptor(opened) {}

  std::filesystem::path path;
  int descriptor = -1; ///< used unless negative
};

} // namespace mayfly::gpu
