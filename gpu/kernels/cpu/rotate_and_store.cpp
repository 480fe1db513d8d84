#include "gpu/kernels/cpu/cpu_backend.hpp"
#include "gpu/kernels/cpu/paged_kv.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t worth_sharing_numbers = 16 * 1024;

struct placed_token {
  sequence_span const* sequence = nullptr;
  std::size_t token = 0; ///< of the batch
  std::uint32_t position = 0;
};

std::vector<placed_token> place_tokens(std::span<sequence_span const> sequences) {
  std::vector<placed_token> tokens;
  for (auto const& sequence : sequences) {
    for (std::uint32_t i = 0; i < sequence.token_count; ++i) {
      tokens.push_back({&sequence, std::size_t{sequence.first_token} + i, sequence.first_position + i});
    }
  }
  return tokens;
}

// A column of the transposed block: see paged_kv.
template <class Element>
void put_column(Element const* from, kv_shape const& shape, std::size_t offset, std::byte* keys) {
  auto* const column = reinterpret_cast<Element*>(keys) + offset;
  for (std::size_t d = 0; d < shape.head_dim; ++d) column[d * shape.block_tokens] = from[d];
}

/// Stores K, already rotated, and V of one head at one position. `halves` is scratch of head_dim.
struct stored_position {
  kv_shape const& shape;
  std::size_t offset; ///< within the block
  std::byte* keys;
  std::byte* values;

  void put(kernel_table const& kernels, float const* k, float const* v, std::uint16_t* halves) const {
    auto* const value = values + offset * shape.head_dim * shape.element_bytes();
    if (shape.precision == kv_precision::f32) {
      put_column(k, shape, offset, keys);
      std::memcpy(value, v, shape.head_dim * sizeof(float));
      return;
    }
    kernels.to_half(k, shape.head_dim, halves);
    put_column(halves, shape, offset, keys);
    kernels.to_half(v, shape.head_dim, reinterpret_cast<std::uint16_t*>(value));
  }
};

} // namespace

void cpu_backend::rotate_and_store(float* q, float const* k, float const* v,
                                   std::span<sequence_span const> sequences, attention_shape const& shape,
                                   rope_parameters const& rope, kv_memory& kv, std::uint32_t layer) {
  auto const tokens = place_tokens(sequences);
  std::uint32_t end_position = 0;
  for (auto const& each : tokens) end_position = std::max(end_position, each.position + 1);
  auto const& table = ropes_.covering(rope, end_position);
  auto& cache = of(kv);
  auto const dim = std::size_t{shape.head_dim};
  auto const scratch_bytes = (dim * (sizeof(float) + sizeof(std::uint16_t)) + 63) / 64 * 64;
  auto* const scratch = participant_scratch(scratch_bytes);
  if (scratch == nullptr) return;
  auto const store_token = [&](placed_token const& each, std::byte* memory) {
    auto* const rotated = reinterpret_cast<float*>(memory);
    auto* const halves = reinterpret_cast<std::uint16_t*>(rotated + dim);
    auto const* const cosines = table.cosines(each.position);
    auto const* const sines = table.sines(each.position);
    for (std::size_t head = 0; head < shape.heads; ++head) {
      kernels_.rotate(q + (each.token * shape.heads + head) * dim, cosines, sines, rope.dims,
                      rope.interleaved);
    }
    auto const block = each.sequence->blocks[each.position / cache.shape().block_tokens];
    auto const offset = each.position % cache.shape().block_tokens;
    for (std::uint32_t head = 0; head < shape.kv_heads; ++head) {
      auto const from = (each.token * shape.kv_heads + head) * dim;
      std::memcpy(rotated, k + from, dim * sizeof(float));
      kernels_.rotate(rotated, cosines, sines, rope.dims, rope.interleaved);
      stored_position const place{cache.shape(), offset, cache.keys(block, layer, head),
                                  cache.values(block, layer, head)};
      place.put(kernels_, rotated, v + from, halves);
    }
  };
  auto const chunk = worth_sharing_numbers / (dim * (shape.heads + 2 * shape.kv_heads)) + 1;
  pool_.run(tokens.size(), chunk, [&](std::size_t participant, std::size_t begin, std::size_t end) {
    for (auto i = begin; i < end; ++i) store_token(tokens[i], scratch + participant * scratch_bytes);
  });
}

} // namespace mayfly::gpu::cpu
