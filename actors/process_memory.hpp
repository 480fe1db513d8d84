#pragma once
#include <cstdint>

namespace mayfly::actors {

/// Resident bytes of this process (/proc/self/statm); 0 where that cannot be read.
std::uint64_t resident_bytes() noexcept;

} // namespace mayfly::actors
