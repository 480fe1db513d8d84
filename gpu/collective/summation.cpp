#include "gpu/collective/summation.hpp"

namespace mayfly::gpu {
namespace {

/// A float in a buffer of bytes.
using loose_float [[gnu::aligned(1), gnu::may_alias]] = float;

constexpr std::size_t lanes = 32; // held in registers while the ranks go by

loose_float const* numbers(std::byte const* share) noexcept {
  return reinterpret_cast<loose_float const*>(share);
}

void sum_lanes(float* out, std::span<std::byte const* const> shares, std::size_t at) noexcept {
  float sums[lanes];
  auto const* const first = numbers(shares[0]) + at;
  for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] = first[lane];
  for (std::size_t rank = 1; rank < shares.size(); ++rank) {
    auto const* const next = numbers(shares[rank]) + at;
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += next[lane];
  }
  for (std::size_t lane = 0; lane < lanes; ++lane) out[at + lane] = sums[lane];
}

} // namespace

void sum_in_order(float* out, std::span<std::byte const* const> shares, std::size_t count) noexcept {
  std::size_t at = 0;
  for (; at + lanes <= count; at += lanes) sum_lanes(out, shares, at);
  for (; at < count; ++at) {
    float sum = numbers(shares[0])[at];
    for (std::size_t rank = 1; rank < shares.size(); ++rank) sum += numbers(shares[rank])[at];
    out[at] = sum;
  }
}

} // namespace mayfly::gpu
