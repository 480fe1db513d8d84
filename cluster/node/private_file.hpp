#pragma once
// Small files that a supervisor keeps for its own user alone.
#include "protocol/base/result.hpp"

#include <filesystem>
#include <string_view>

namespace mayfly::node {

/// Replaces a file as a whole: mode 0600 from its first byte, and a reader sees the old text or the new one.
/// Errors: io
/// (`number` is errno).
result<void> replace_private_file(std::filesystem::path const& path, std::string_view text);

} // namespace mayfly::node
