#pragma once
// The kernels of one instruction set. kernels.hpp is compiled once for each (kernels_portable.cpp,
// kernels_avx2.cpp, kernels_avx512.cpp) and leaves through one of these tables. Those files share no inline
// function with the rest of the program: the linker keeps one copy of each, and it might be the one that
// needs AVX-512. So this header holds plain data only.
//
// Every kernel fixes the order of its float operations for each token by itself: how many tokens share a call
// changes nothing in their results.
#include "gpu/kernels/cpu/packing.hpp"
#include "protocol/base/literal.hpp"

namespace mayfly::gpu::cpu {

constexpr std::size_t tile_tokens = 8; ///< most tokens of an activation tile

/// Quantised activations: integers of 15 bits and a sign, with one scale for each block of 32 columns (8 bits
/// would move the best token in more than one position of a hundred). An integer is 255 * high + low, both
/// signed bytes of at most 127, so that two byte products and a sum give its product with a weight.
///
/// Tiles of up to 8 tokens are stored `width` = 1, 2, 4 or 8 wide (missing tokens are zero). A tile holds,
/// for each block of 32 columns, [high, low][8][width][4] bytes: columns 4v..4v+3 of each token; then, for
/// each block, five rows of `width` four-byte numbers: the scale (f32), scale * sum of the integers (f32),
/// and minus the sum of the integers of all, of the first 16, and of the last 16 columns (i32).
constexpr std::size_t tile_code_bytes = 2 * 32;  ///< of a block, for each token of the width
constexpr std::size_t tile_number_bytes = 5 * 4; ///< likewise
constexpr std::size_t tile_block_bytes = tile_code_bytes + tile_number_bytes;
constexpr float largest_code = 127 * 255 + 127;

/// One group of 16 rows; see packing.hpp. The float packings use `codes` alone.
struct group_pointers {
  std::byte const* codes;
  std::byte const* scales;
  std::byte const* supers;
};

/// Stored K and V of up to 256 positions of one head in tiles of 16 positions, f16 or f32.
struct attention_tiles {
  std::byte const* const* k; ///< k[tile]: [head_dim][k_stride], the first 16 of a row count
  std::byte const* const* v; ///< v[tile]: [16][padded_dim]
  std::size_t k_stride;
  std::size_t head_dim;
  std::size_t padded_dim; ///< head_dim rounded up to 16
};

constexpr std::size_t split_positions = 256; ///< a split of a long sequence; fixed, so that sums keep order
constexpr std::size_t most_queries = 8;      ///< queries that share a pass over K and V

/// A softmax over part of a sequence: exp(score - max) summed, and weighting V.
struct attention_partial {
  float max;
  float sum;
  float* weighted; ///< [padded_dim]
};

struct attention_queries {
  float const* const* q;      ///< [count]: [head_dim], already scaled
  std::size_t const* visible; ///< [count]: positions of this split that the query sees, at most 256
  float* scores;              ///< scratch, [count][256]
  attention_partial* out;     ///< [count]
};

/// out[width][16] = tile * group^T.
using quantised_product = void (*)(group_pointers const& group, std::size_t blocks, std::byte const* tile,
                                   float* out);
/// out[tokens][16] = x[tokens][stride] * group^T.
using float_product = void (*)(group_pointers const& group, std::size_t columns, float const* x,
                               std::size_t stride, float* out);

struct kernel_table {
  literal name;
  quantised_product quantised[8][4]; ///< [packing][log2 width]
  float_product floats[3][3];        ///< [packing - f32][log2 tokens]

  /// Quantises `tokens` <= width rows of x[.][stride], 32 * blocks columns each, into a tile.
  void (*quantise)(float const* x, std::size_t stride, std::size_t tokens, std::size_t width,
                   std::size_t blocks, std::byte* tile);
  void (*rms_norm)(float const* x, float const* weight, std::size_t width, float epsilon, float* out);
  /// out[i] = silu(gate[i]) * up[i]; `count` is a multiple of 16.
  void (*gate)(float const* gate, float const* up, std::size_t count, float* out);
  void (*rotate)(float* head, float const* cosines, float const* sines, std::size_t dims, bool interleaved);
  void (*to_half)(float const* from, std::size_t count, std::uint16_t* to);
  /// Attention over one split: [K and V are f32][queries - 1].
  void (*attend[2][most_queries])(attention_tiles const& tiles, attention_queries const& queries);
  /// Adds `other`, of later positions, to `to`.
  void (*merge)(attention_partial& to, attention_partial const& other, std::size_t padded_dim);
};

extern kernel_table const portable_kernels;
#if defined(__x86_64__)
extern kernel_table const avx2_kernels;
extern kernel_table const avx512_kernels;
#endif

} // namespace mayfly::gpu::cpu
