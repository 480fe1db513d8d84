#pragma once

namespace mayfly::actors {

/// The name of an SQLite VFS like the default one, but that takes paths as they are: the default makes them
/// absolute and follows links from the root down, which a process may not do that was given a directory
/// inside one that it cannot enter. Null where SQLite refuses it. Valid for the process's life.
char const* sqlite_vfs_of_given_paths() noexcept;

} // namespace mayfly::actors
