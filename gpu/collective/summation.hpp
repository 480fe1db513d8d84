#pragma once
// The one sum of all carriers that add on the host: element by element in the order of ranks, so that every
// carrier gives the same bits.
#include <cstddef>
#include <span>

namespace mayfly::gpu {

/// out[i] = ((shares[0][i] + shares[1][i]) + shares[2][i]) + ... Shares are floats of any alignment; `out`
/// may be one of them.
void sum_in_order(float* out, std::span<std::byte const* const> shares, std::size_t count) noexcept;

} // namespace mayfly::gpu
