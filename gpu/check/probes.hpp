#pragma once
// Kernels of the checks' own: how fast memory can be read, and a search for what was left in it.
#include "gpu/kernels/cuda/queue.hpp"

#include <array>
#include <cstdint>

namespace mayfly::gpu::check {

/// Reads `bytes` (a multiple of 16) once, 16 bytes a load. `sum` keeps the compiler from leaving it out.
void read_all(cuda::device_queue& on, void const* memory, std::size_t bytes, std::uint32_t* sum);

/// Sixteen bytes that were seen in a request's memory, inverted: so that the search does not find what it is
/// looking for in its own question.
using inverted_piece = std::array<std::uint32_t, 4>;

/// counts[0] += the 16-byte words of `memory` that one of `pieces` inverts to; counts[1] += those not zero.
/// `pieces` and `counts` are the device's.
void search(cuda::device_queue& on, void const* memory, std::size_t bytes, inverted_piece const* pieces,
            std::uint32_t piece_count, unsigned long long* counts);

} // namespace mayfly::gpu::check
