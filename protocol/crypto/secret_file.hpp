#pragma once
// Files that hold secrets: mode 0600, owned by who runs, read into ephemeral memory, replaced as a whole.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <filesystem>

namespace mayfly::crypto {

/// The largest secret file that is read, in bytes.
inline constexpr std::size_t largest_secret_bytes = std::size_t{1} << 20;

/// Reads a regular file that nobody but its owner (this process's user, or root) can read or write; root
/// reads another user's, too. Symbolic links at the end of the path are not followed. Errors: not_found;
/// not_permitted (`number`: the mode or owner that is wrong); too_large; io
/// (`number`: errno).
result<ephemeral_bytes> read_secret(std::filesystem::path const& path);

/// Writes a new file with mode 0600 (root: owned by the directory's owner) beside `path`, flushes it to the
/// disk and renames it over `path`: readers see the old secret or the new one, never a part. Errors: io
/// (`number`: errno).
result<void> write_secret(std::filesystem::path const& path, std::span<std::byte const> secret);

} // namespace mayfly::crypto
