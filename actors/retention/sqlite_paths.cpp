#include "actors/retention/sqlite_paths.hpp"

#include <cstddef>
#include <cstring>
#include <sqlite3.h>

namespace mayfly::actors {
namespace {

constexpr char const* vfs_name = "given-paths";

/// The contract of sqlite3_vfs::xFullPathname: `room` bytes at `into`, the terminating zero included.
int path_as_given(sqlite3_vfs*, char const* path, int room, char* into) {
  auto const length = std::strlen(path);
  if (room <= 0 || length >= static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
  std::memcpy(into, path, length + 1);
  return SQLITE_OK;
}

/// The rest of the default's members do not look at the structure that they are called through but for its
/// own data, which the copy shares.
sqlite3_vfs* registered() noexcept {
  auto const* standard = sqlite3_vfs_find(nullptr);
  if (standard == nullptr) return nullptr;
  static sqlite3_vfs ours = *standard;
  ours.zName = vfs_name;
  ours.pNext = nullptr;
  ours.xFullPathname = path_as_given;
  return sqlite3_vfs_register(&ours, 0) == SQLITE_OK ? &ours : nullptr;
}

} // namespace

char const* sqlite_vfs_of_given_paths() noexcept {
  static sqlite3_vfs* const vfs = registered();
  return vfs == nullptr ? nullptr : vfs_name;
}

} // namespace mayfly::actors
