#pragma once
// A step's tokens, positions and KV blocks in device memory, as kernels read them.
#include <cstdint>

namespace mayfly::gpu::cuda {

/// Query rows that one tile of attention takes: an mma's height.
inline constexpr std::uint32_t tile_rows = 16;

/// In step_view::sequence_of, for a token that no sequence covers.
inline constexpr std::uint32_t no_sequence = 0xFFFFFFFFU;

/// One sequence of a step.
struct step_sequence {
  std::uint32_t first_token = 0;
  std::uint32_t token_count = 0;
  std::uint32_t first_position = 0;
  std::uint32_t first_block = 0; ///< in step_view::blocks
};

/// Sixteen query rows of one sequence and KV head: row r is token r / group, head r % group.
struct step_tile {
  std::uint32_t sequence = 0;
  std::uint32_t first_row = 0;
};

/// Passed to kernels by value; the arrays are the device's.
struct step_view {
  std::int32_t const* tokens = nullptr;       ///< [token_count]
  std::uint32_t const* sequence_of = nullptr; ///< [token_count]
  step_sequence const* sequences = nullptr;   ///< [sequence_count]
  std::uint32_t const* blocks = nullptr;      ///< of all sequences, one after another
  step_tile const* tiles = nullptr;           ///< [tile_count]
  std::uint32_t const* sampled = nullptr;     ///< [sampled_count]
  std::uint32_t token_count = 0;
  std::uint32_t sequence_count = 0;
  std::uint32_t tile_count = 0;
  std::uint32_t sampled_count = 0;
};

} // namespace mayfly::gpu::cuda
