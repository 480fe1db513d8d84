#pragma once
// The language that kernels are written in: CUDA's where nvcc compiles them, the emulation's where a C++
// compiler does. Beyond it a few instructions that CUDA reaches through PTX alone, each with what it means in
// plain C++: the emulation runs that meaning, so a fragment's layout is written down once and tested.
#include "gpu/kernels/cuda/queue.hpp"

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "gpu/formats/half.hpp"
#include "gpu/kernels/emulation/language.hpp"
#include "gpu/kernels/emulation/matrix.hpp"
#include "gpu/kernels/emulation/queue.hpp"
#endif

#include <cstdint>

namespace mayfly::gpu::cuda {

inline constexpr unsigned warp_lanes = 32;
inline constexpr std::uint32_t all_lanes = 0xFFFFFFFFU;

/// Sixteen bytes of what is read often.
__device__ __forceinline__ uint4 load_16_bytes(void const* from) { return *static_cast<uint4 const*>(from); }

/// Sixteen bytes of what is read once, and written by no kernel: they leave the first cache to the tokens.
__device__ __forceinline__ uint4 stream_16_bytes(void const* from) {
#if defined(__CUDACC__)
  uint4 loaded;
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
      : "=r"(loaded.x), "=r"(loaded.y), "=r"(loaded.z), "=r"(loaded.w)
      : "l"(__cvta_generic_to_global(from)));
  return loaded;
#else
  return load_16_bytes(from);
#endif
}

/// How a kernel is started.
struct launch_size {
  unsigned x = 1; ///< blocks
  unsigned y = 1;
  unsigned z = 1;
  unsigned threads = 128;
  std::size_t shared_bytes = 0; ///< at most 48 KiB
};

/// Enqueues kernel(arguments...).
template <class... Parameters, class... Arguments>
void launch(device_queue& on, void (*kernel)(Parameters...), launch_size size, Arguments... arguments) {
  if (size.x == 0 || size.y == 0 || size.z == 0) return;
#if defined(__CUDACC__)
  kernel<<<dim3(size.x, size.y, size.z), size.threads, size.shared_bytes,
           static_cast<cudaStream_t>(on.native())>>>(static_cast<Parameters>(arguments)...);
  on.note(static_cast<int>(cudaGetLastError()));
#else
  static_cast<emulation::emulated_queue&>(on).enqueue([=] {
    emulation::run_grid({{size.x, size.y, size.z}, size.threads, size.shared_bytes},
                        [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
#endif
}

/// The block's shared memory, `launch_size::shared_bytes` of it.
template <class T>
__device__ __forceinline__ T* shared_memory() {
#if defined(__CUDACC__)
  extern __shared__ uint4 storage[];
  return reinterpret_cast<T*>(storage);
#else
  return reinterpret_cast<T*>(emulation::shared_bytes());
#endif
}

__device__ __forceinline__ std::uint32_t bits_of(float value) {
#if defined(__CUDACC__)
  return __float_as_uint(value);
#else
  return std::bit_cast<std::uint32_t>(value);
#endif
}
__device__ __forceinline__ float float_of(std::uint32_t bits) {
#if defined(__CUDACC__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

/// 2^x, to about 2^-22 of itself.
__device__ __forceinline__ float exponential2(float x) {
#if defined(__CUDACC__)
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return std::exp2(x);
#endif
}
__device__ __forceinline__ float exponential(float x) { return exponential2(x * 1.4426950408889634F); }

/// Products and differences that must not be fused, because the reference rounds between them.
__device__ __forceinline__ float rounded_product(float a, float b) {
#if defined(__CUDACC__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
__device__ __forceinline__ float rounded_difference(float a, float b) {
#if defined(__CUDACC__)
  return __fsub_rn(a, b);
#else
  return a - b;
#endif
}

/// The f16 in the low half of `bits`, exact.
__device__ __forceinline__ float half_value(std::uint32_t bits) {
#if defined(__CUDACC__)
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(static_cast<std::uint16_t>(bits)));
  return result;
#else
  return half_to_float(static_cast<std::uint16_t>(bits));
#endif
}

/// To f16, to nearest even; what is too large becomes the largest finite number.
__device__ __forceinline__ std::uint32_t half_bits(float value) {
#if defined(__CUDACC__)
  float const clamped = fminf(fmaxf(value, -65504.0F), 65504.0F);
  std::uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value != value ? value : clamped));
  return bits;
#else
  return float_to_half_clamped(value);
#endif
}
__device__ __forceinline__ std::uint32_t half_pair(float low, float high) {
  return half_bits(low) | half_bits(high) << 16U;
}

/// Two floats as bf16, to nearest even; `low` in the low half.
__device__ __forceinline__ std::uint32_t bfloat_pair(float low, float high) {
#if defined(__CUDACC__)
  std::uint32_t result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#else
  return emulation::bfloat_bits(low) | emulation::bfloat_bits(high) << 16U;
#endif
}
__device__ __forceinline__ float low_bfloat(std::uint32_t pair) { return float_of(pair << 16U); }
__device__ __forceinline__ float high_bfloat(std::uint32_t pair) { return float_of(pair & 0xFFFF0000U); }

/// Adds to both bf16 of a pair: exact where sums are.
__device__ __forceinline__ std::uint32_t bfloat_pair_sum(std::uint32_t pair, std::uint32_t other) {
#if defined(__CUDACC__)
  std::uint32_t result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(pair), "r"(0x3F803F80U), "r"(other));
  return result;
#else
  return bfloat_pair(low_bfloat(pair) + low_bfloat(other), high_bfloat(pair) + high_bfloat(other));
#endif
}

/// The two low halves side by side, `low` below; the two high halves.
__device__ __forceinline__ std::uint32_t join_low_halves(std::uint32_t low, std::uint32_t high) {
  return (low & 0xFFFFU) | high << 16U;
}
__device__ __forceinline__ std::uint32_t join_high_halves(std::uint32_t low, std::uint32_t high) {
  return low >> 16U | (high & 0xFFFF0000U);
}

/// sums[16][8] += a[16][16] * b[16][8] over a warp: mma.m16n8k16 with f32 sums. In lane 4 * g + t (PTX ISA,
/// "Matrix Fragments for mma.m16n8k16"), pairs with the lower index in the low half:
///   a[0]: row g, columns 2t, 2t+1      a[2]: row g, columns 2t+8, 2t+9
///   a[1]: row g+8, columns 2t, 2t+1    a[3]: row g+8, columns 2t+8, 2t+9
///   b[0]: rows 2t, 2t+1 of column g    b[1]: rows 2t+8, 2t+9 of column g
///   sums[0], sums[1]: row g, columns 2t, 2t+1; sums[2], sums[3]: row g+8
enum class factor : std::uint8_t { bf16, f16 };
#if defined(__CUDACC__)
template <factor kind>
__device__ __forceinline__ void multiply_tiles(float (&sums)[4], std::uint32_t a0, std::uint32_t a1,
                                               std::uint32_t a2, std::uint32_t a3, std::uint32_t b0,
                                               std::uint32_t b1) {
  if constexpr (kind == factor::bf16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
}
#else
template <factor kind>
void multiply_tiles(float (&sums)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3,
                    std::uint32_t b0, std::uint32_t b1,
                    std::source_location where = std::source_location::current()) {
  emulation::matrix_fragment mine{{sums[0], sums[1], sums[2], sums[3]}, {a0, a1, a2, a3}, {b0, b1}};
  emulation::meet_warp(all_lanes, &mine, sizeof mine,
                       kind == factor::bf16 ? &emulation::multiply_bfloats : &emulation::multiply_halves,
                       where);
  for (unsigned i = 0; i < 4; ++i) sums[i] = mine.sums[i];
}
#endif

/// The sum over the lanes of a warp, in every lane; a fixed order.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (unsigned across = warp_lanes / 2; across > 0; across /= 2)
    value += __shfl_xor_sync(all_lanes, value, across);
  return value;
}
__device__ __forceinline__ float warp_largest(float value) {
#pragma unroll
  for (unsigned across = warp_lanes / 2; across > 0; across /= 2) {
    float const other = __shfl_xor_sync(all_lanes, value, across);
    value = other > value ? other : value;
  }
  return value;
}

} // namespace mayfly::gpu::cuda
