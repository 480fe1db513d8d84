#pragma once
// How weights lie in device memory: what pack.cpp writes and kernels read. Rows are filled up with zeros to a
// multiple of 16, columns to a whole granule, so that kernels read without asking.
//
// Plain types (f32, f16, bf16): row-major, `stride` elements from row to row.
//
// Quantised types: per row `stride` superblocks of 256 columns, each type's parts in planes of their own so
// that every load is 16 bytes. One superblock is read by the four lanes t = 0..3 that share a row of an mma
// tile; lane t has eight codes of each of its eight blocks of 32: columns block * 32 + j * 16 + t * 4 + i,
// for j = 0, 1 and i = 0..3, numbered e = j * 4 + i.
//   q8_0  codes  256 bytes: [block / 2][t][block % 2][e], a byte each, 128 above the number
//         scales 16 bytes: f16 of each block
//   q4_k  codes  128 bytes: [block / 4][t][block % 4], a word each: code e = 2p at bit 4p, e = 2p + 1 at 16 +
//   4p
//         scales 16 bytes: eight 6-bit scales, eight 6-bit minima
//         supers 4 bytes: f16 d, f16 dmin
//   q6_k  codes  128 bytes: the low four bits, as q4_k
//         high   64 bytes: [t][block / 2], a word each: the two upper bits of e = 2p at bit 2P, of e = 2p + 1
//         at
//                16 + 2P, where P = block % 2 * 4 + p
//         scales 16 bytes: a signed byte for each 16 columns
//         supers 4 bytes: f16 d, zero
// Other quantised types are expanded to bf16.
#include "gpu/formats/tensor.hpp"

#include <cstdint>

namespace mayfly::gpu::cuda {

enum class storage : std::uint8_t { f32, f16, bf16, q8_0, q4_k, q6_k };

constexpr bool is_quantised(storage kind) noexcept { return kind >= storage::q8_0; }

inline constexpr std::uint32_t row_granule = 16;
inline constexpr std::uint32_t column_granule = 128; ///< of plain types
inline constexpr std::uint32_t super_columns = 256;

/// A matrix as kernels see it; device addresses. Planes that the type lacks are null.
struct matrix_view {
  storage kind = storage::f32;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t stride = 0; ///< elements, or superblocks, from row to row
  std::uint8_t const* codes = nullptr;
  std::uint8_t const* high = nullptr;
  std::uint8_t const* scales = nullptr;
  std::uint8_t const* supers = nullptr;
};

/// Bytes of each plane for one superblock; for plain types, of `codes` for one element.
struct plane_bytes {
  std::uint32_t codes = 0;
  std::uint32_t high = 0;
  std::uint32_t scales = 0;
  std::uint32_t supers = 0;
};

constexpr plane_bytes planes_of(storage kind) noexcept {
  switch (kind) {
  case storage::f32:
    return {4, 0, 0, 0};
  case storage::f16:
  case storage::bf16:
    return {2, 0, 0, 0};
  case storage::q8_0:
    return {256, 0, 16, 0};
  case storage::q4_k:
    return {128, 0, 16, 4};
  case storage::q6_k:
    return {128, 64, 16, 4};
  }
  return {};
}

/// How a tensor's type is kept.
constexpr storage storage_for(tensor_type type) noexcept {
  switch (type) {
  case tensor_type::f32:
    return storage::f32;
  case tensor_type::f16:
    return storage::f16;
  case tensor_type::q8_0:
    return storage::q8_0;
  case tensor_type::q4_k:
    return storage::q4_k;
  case tensor_type::q6_k:
    return storage::q6_k;
  default:
    return storage::bf16;
  }
}

constexpr std::uint32_t stride_of(storage kind, std::uint64_t columns) noexcept {
  auto const granule = is_quantised(kind) ? super_columns : column_granule;
  auto const granules = static_cast<std::uint32_t>((columns + granule - 1) / granule);
  return is_quantised(kind) ? granules : granules * granule;
}

} // namespace mayfly::gpu::cuda
