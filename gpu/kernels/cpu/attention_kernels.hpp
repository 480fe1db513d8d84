#pragma once
// Softmax attention of a few queries over up to 256 positions of one KV head, in terms of the lanes of the
// file that includes this. Positions are lanes for the scores (K is stored transposed, so that nothing is
// summed across lanes), dimensions are lanes for the values. Each query adds in the order of positions; a
// position that it does not see weighs exactly zero, whatever the other queries of the call see.
#include "gpu/kernels/cpu/row_kernels.hpp"

namespace mayfly::gpu::cpu {
namespace {

constexpr float minus_infinity = -__builtin_inff();

inline std::size_t tiles_seen(std::size_t const* visible, std::size_t queries) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < queries; ++i) most = visible[i] > most ? visible[i] : most;
  return (most + 15) / 16;
}

inline f32x16 load_stored(std::uint16_t const* from) { return load_half(from); }
inline f32x16 load_stored(float const* from) { return load(from); }

template <std::size_t Queries, class Element>
inline void score_tile(attention_tiles const& tiles, attention_queries const& queries, std::size_t tile,
                       f32x16 (&largest)[Queries]) {
  f32x16 scores[Queries];
  for (auto& score : scores) score = zero();
  auto const* const keys = reinterpret_cast<Element const*>(tiles.k[tile]);
  for (std::size_t d = 0; d < tiles.head_dim; ++d) {
    auto const k = load_stored(keys + d * tiles.k_stride);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Queries; ++i) {
      scores[i] = multiply_add(broadcast(queries.q[i][d]), k, scores[i]);
    }
  }
  for (std::size_t i = 0; i < Queries; ++i) {
    auto const seen = queries.visible[i] > tile * 16 ? queries.visible[i] - tile * 16 : 0;
    auto const score = first_lanes(seen < 16 ? seen : 16, scores[i], broadcast(minus_infinity));
    store(queries.scores + i * split_positions + tile * 16, score);
    largest[i] = larger(largest[i], score);
  }
}

// Turns one query's scores into weights and returns their sum.
inline float weigh(float* scores, std::size_t tiles, float max) {
  auto sum = zero();
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    auto const weight = exponential(subtract(load(scores + tile * 16), broadcast(max)));
    store(scores + tile * 16, weight);
    sum = add(sum, weight);
  }
  return sum_of(sum);
}

template <std::size_t Queries, class Element>
inline void add_values(attention_tiles const& tiles, attention_queries const& queries, std::size_t count,
                       std::size_t column) {
  f32x16 sums[Queries];
  for (auto& sum : sums) sum = zero();
  for (std::size_t tile = 0; tile < count; ++tile) {
    auto const* v = reinterpret_cast<Element const*>(tiles.v[tile]) + column;
    for (std::size_t position = tile * 16; position < tile * 16 + 16; ++position, v += tiles.padded_dim) {
      auto const value = load_stored(v);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Queries; ++i) {
        sums[i] = multiply_add(broadcast(queries.scores[i * split_positions + position]), value, sums[i]);
      }
    }
  }
  for (std::size_t i = 0; i < Queries; ++i) store(queries.out[i].weighted + column, sums[i]);
}

template <std::size_t Queries, class Element>
void attend(attention_tiles const& tiles, attention_queries const& queries) {
  auto const count = tiles_seen(queries.visible, Queries);
  f32x16 largest[Queries];
  for (auto& each_largest : largest) each_largest = broadcast(minus_infinity);
  for (std::size_t tile = 0; tile < count; ++tile)
    score_tile<Queries, Element>(tiles, queries, tile, largest);
  for (std::size_t i = 0; i < Queries; ++i) {
    auto const max = queries.visible[i] == 0 ? 0.0F : largest_of(largest[i]);
    queries.out[i].max = max;
    queries.out[i].sum = weigh(queries.scores + i * split_positions, count, max);
  }
  for (std::size_t column = 0; column < tiles.padded_dim; column += 16) {
    add_values<Queries, Element>(tiles, queries, count, column);
  }
}

void merge(attention_partial& to, attention_partial const& other, std::size_t padded_dim) {
  float const max = to.max > other.max ? to.max : other.max;
  float maxima[16] = {to.max, other.max};
  store(maxima, exponential(subtract(load(maxima), broadcast(max))));
  float const ours = maxima[0];
  float const theirs = maxima[1];
  to.max = max;
  to.sum = to.sum * ours + other.sum * theirs;
  for (std::size_t i = 0; i < padded_dim; i += 16) {
    auto const kept = multiply(load(to.weighted + i), broadcast(ours));
    store(to.weighted + i, multiply_add(load(other.weighted + i), broadcast(theirs), kept));
  }
}

} // namespace
} // namespace mayfly::gpu::cpu
