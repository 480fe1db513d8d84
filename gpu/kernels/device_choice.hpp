#pragma once
// Which device an engine computes on.
#include "protocol/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace mayfly::gpu {

/// `any`: a CUDA device if the plug-in is there and finds one, else processors.
enum class device_kind : std::uint8_t { any, cpu, cuda };

struct device_choice {
  device_kind kind = device_kind::any;
  std::uint32_t index = 0; ///< of several CUDA devices
  /// The CUDA plug-in; empty: libmayfly_cuda.so beside the program, or in ../lib/mayfly from there.
  std::filesystem::path plugin{};
  /// NCCL, for ranks of a group; empty: libnccl.so.2 where the system looks for libraries.
  std::filesystem::path nccl{};
};

/// Reads "auto", "cpu", "cuda" or "cuda:INDEX". Errors: configuration.
result<device_choice> parse_device(std::string_view text);

} // namespace mayfly::gpu
