#pragma once
// What a kernel's source says in CUDA's language, for a C++ compiler: keywords, vector types, the indices of
// the running thread, meetings of a warp and a block, atomics. Only what the house's kernels use; each
// function does what the CUDA C++ programming guide says of its namesake. Included by
// gpu/kernels/cuda/device.cuh alone.
#include "gpu/kernels/emulation/block.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (::mayfly::gpu::emulation::thread_index())
#define blockIdx (::mayfly::gpu::emulation::block_index())
#define blockDim (::mayfly::gpu::emulation::block_size())
#define gridDim (::mayfly::gpu::emulation::grid_size())

namespace mayfly::gpu {

struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct alignas(8) uint2 {
  std::uint32_t x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

using emulation_place = std::source_location;

inline void __syncthreads(emulation_place where = emulation_place::current()) {
  emulation::meet_block(where);
}
inline void __syncwarp(std::uint32_t mask = 0xFFFFFFFFU, emulation_place where = emulation_place::current()) {
  emulation::meet_warp(mask, nullptr, 0, nullptr, where);
}

namespace emulation {

/// What a lane brings to a shuffle, and takes from it.
struct shuffled {
  std::uint64_t value = 0;
  std::uint32_t source = 0;
};

/// Every lane gets the value of its source; a source outside of the mask is a breach that shows as garbage.
inline void exchange(void* lanes, std::uint32_t mask) {
  auto* const all = static_cast<shuffled*>(lanes);
  std::uint64_t values[32];
  for (std::uint32_t lane = 0; lane < 32; ++lane)
    values[lane] = (mask >> lane & 1U) != 0 ? all[lane].value : 0xFFFFFFFFFFFFFFFFU;
  for (std::uint32_t lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1U) != 0) all[lane].value = values[all[lane].source % 32];
}

template <class T>
T shuffle(std::uint32_t mask, T value, std::uint32_t source, emulation_place where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  shuffled mine;
  std::memcpy(&mine.value, &value, sizeof value);
  mine.source = source;
  meet_warp(mask, &mine, sizeof mine, &exchange, where);
  std::memcpy(&value, &mine.value, sizeof value);
  return value;
}

inline std::uint32_t lane() { return thread_index().x % 32; }

/// Every lane gets the mask of those that brought a number other than 0.
inline void vote(void* lanes, std::uint32_t mask) {
  auto* const all = static_cast<std::uint32_t*>(lanes);
  std::uint32_t votes = 0;
  for (std::uint32_t lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1U) != 0 && all[lane] != 0) votes |= 1U << lane;
  for (std::uint32_t lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1U) != 0) all[lane] = votes;
}

} // namespace emulation

template <class T>
T __shfl_sync(std::uint32_t mask, T value, std::uint32_t source,
              emulation_place where = emulation_place::current()) {
  return emulation::shuffle(mask, value, source, where);
}
template <class T>
T __shfl_xor_sync(std::uint32_t mask, T value, std::uint32_t across,
                  emulation_place where = emulation_place::current()) {
  return emulation::shuffle(mask, value, emulation::lane() ^ across, where);
}
/// Lanes without a source keep their value.
template <class T>
T __shfl_up_sync(std::uint32_t mask, T value, std::uint32_t below,
                 emulation_place where = emulation_place::current()) {
  auto const lane = emulation::lane();
  return emulation::shuffle(mask, value, lane < below ? lane : lane - below, where);
}

inline std::uint32_t __ballot_sync(std::uint32_t mask, bool yes,
                                   emulation_place where = emulation_place::current()) {
  std::uint32_t mine = yes ? 1 : 0;
  emulation::meet_warp(mask, &mine, sizeof mine, &emulation::vote, where);
  return mine;
}

/// Fibers switch only where they wait, so that a plain addition is atomic.
template <class T>
T atomicAdd(T* to, T value) {
  auto const before = *to;
  *to = before + value;
  return before;
}
template <class T>
T atomicMin(T* to, T value) {
  auto const before = *to;
  *to = value < before ? value : before;
  return before;
}

} // namespace mayfly::gpu
