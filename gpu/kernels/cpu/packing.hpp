#pragma once
// How weights lie for the CPU kernels. Rows stand in groups of 16, one row a lane of a 64-byte vector; the
// last group is filled up with zeros. A group is contiguous and 64-byte aligned:
//
//   quantised: [codes of each block of 32 columns][scales of each block][scales of each 256 columns]
//   float:     [column][16 rows]
//
// Codes are unsigned. A block's are eight vectors, vector v holding columns 4v..4v+3 of the 16 rows:
//   8 bits: 8 vectors (code + 128)
//   4 bits: 4 vectors; v in the low nibbles of vector v % 4 for v < 4, else in the high ones
//   5 bits: as 4, and a vector whose bit v is vector v's fifth bit
//   6 bits: as 4, and two vectors: bits 2(v % 4) and up of vector v / 4 are vector v's upper two
//
// This header is also read by files compiled for one instruction set: no functions here but constant ones.
#include <cstddef>
#include <cstdint>

namespace mayfly::gpu::cpu {

enum class packing : std::uint8_t { q8, q4, q4_min, q5, q5_min, q4_k, q5_k, q6_k, f32, f16, bf16 };

constexpr std::size_t group_rows = 16;
constexpr std::size_t block_columns = 32;
constexpr std::size_t super_blocks = 8; ///< blocks of a k-quant's 256 columns

/// Sizes in bytes for 16 rows; see the layout above.
struct packing_layout {
  std::size_t codes = 0;  ///< a block's; float packings: a column's
  std::size_t scales = 0; ///< a block's: f16 scale, then f16 minimum; k-quants: u8 scales then minima, Q6_K:
                          ///< s8 scales of its first and of its second 16 columns
  std::size_t supers = 0; ///< a superblock's: f16 scale, then f16 minimum
  bool is_float = false;
};

constexpr packing_layout layout_of(packing kind) noexcept {
  switch (kind) {
  case packing::q8:
    return {512, 32, 0, false};
  case packing::q4:
    return {256, 32, 0, false};
  case packing::q4_min:
    return {256, 64, 0, false};
  case packing::q5:
    return {320, 32, 0, false};
  case packing::q5_min:
    return {320, 64, 0, false};
  case packing::q4_k:
    return {256, 32, 64, false};
  case packing::q5_k:
    return {320, 32, 64, false};
  case packing::q6_k:
    return {384, 32, 32, false};
  case packing::f32:
    return {64, 0, 0, true};
  case packing::f16:
  case packing::bf16:
    break;
  }
  return {32, 0, 0, true};
}

} // namespace mayfly::gpu::cpu
