#pragma once
// The one place where memory is made to forget. Everything that erases content ends up in `wipe`: ephemeral
// buffers, KV blocks, the interposed allocator, stack scrubbing. The residue audit links a second binary with
// wipe.cpp replaced, so whatever wipes by other means escapes the audit's control: do not.
#include <cstddef>

namespace mayfly {

/// Overwrites `bytes` bytes at `memory` with zeros; never optimised away. `memory` may be null if `bytes` is
/// 0.
void wipe(void* memory, std::size_t bytes) noexcept;

/// Overwrites the unused stack below the caller (96 KiB). Call it before a thread that touched content
/// blocks.
void wipe_stack() noexcept;

} // namespace mayfly
