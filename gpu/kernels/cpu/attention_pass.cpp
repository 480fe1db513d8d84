#include "gpu/kernels/cpu/attention_pass.hpp"

#include <algorithm>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

std::size_t round_up(std::size_t count, std::size_t step) { return (count + step - 1) / step * step; }

bool usable_in_place(kv_shape const& shape) {
  return shape.block_tokens % 16 == 0 && shape.head_dim % 16 == 0;
}

/// Positions that a query attends to: up to its own.
std::size_t sees(bundle const& work, std::size_t query) noexcept {
  return std::size_t{work.sequence->first_position} + work.first_token + query / work.heads + 1;
}

/// K and V of one split of one sequence and head, as the kernels want them: in place where blocks and heads
/// are multiples of 16, else copied together.
class split_view {
public:
  split_view(paged_kv const& kv, std::uint32_t layer, bundle const& work, std::size_t begin, std::size_t end,
             attention_scratch const& scratch) {
    auto const& shape = kv.shape();
    auto const in_place = usable_in_place(shape);
    tiles_ = {k_, v_, in_place ? shape.block_tokens : tile_positions, shape.head_dim, scratch.padded_dim()};
    for (std::size_t tile = 0; begin + tile * tile_positions < end; ++tile) {
      auto const position = begin + tile * tile_positions;
      if (in_place)
        point(kv, layer, work, position, tile);
      else
        gather(kv, layer, work, position, std::min(end, position + tile_positions), tile, scratch);
    }
  }
  attention_tiles const& tiles() const noexcept { return tiles_; }
  split_view(split_view const&) = delete;
  split_view& operator=(split_view const&) = delete;

private:
  void point(paged_kv const& kv, std::uint32_t layer, bundle const& work, std::size_t position,
             std::size_t tile) noexcept {
    auto const& shape = kv.shape();
    auto const block = work.sequence->blocks[position / shape.block_tokens];
    auto const offset = position % shape.block_tokens * shape.element_bytes();
    k_[tile] = kv.keys(block, layer, work.kv_head) + offset;
    v_[tile] = kv.values(block, layer, work.kv_head) + offset * shape.head_dim;
  }

  void gather(paged_kv const& kv, std::uint32_t layer, bundle const& work, std::size_t begin, std::size_t end,
              std::size_t tile, attention_scratch const& scratch) noexcept {
    auto const& shape = kv.shape();
    auto const bytes = shape.element_bytes();
    auto const width = scratch.padded_dim();
    auto* const k = scratch.gathered() + tile * tile_positions * (shape.head_dim + width) * bytes;
    auto* const v = k + tile_positions * shape.head_dim * bytes;
    std::memset(k, 0, tile_positions * (shape.head_dim + width) * bytes);
    for (auto position = begin; position < end; ++position) {
      auto const block = work.sequence->blocks[position / shape.block_tokens];
      auto const offset = position % shape.block_tokens;
      auto const* const keys = kv.keys(block, layer, work.kv_head) + offset * bytes;
      for (std::size_t d = 0; d < shape.head_dim; ++d) {
        std::memcpy(k + (d * tile_positions + position - begin) * bytes,
                    keys + d * shape.block_tokens * bytes, bytes);
      }
      std::memcpy(v + (position - begin) * width * bytes,
                  kv.values(block, layer, work.kv_head) + offset * shape.head_dim * bytes,
                  shape.head_dim * bytes);
    }
    k_[tile] = k;
    v_[tile] = v;
  }

  std::byte const* k_[split_tiles];
  std::byte const* v_[split_tiles];
  attention_tiles tiles_{};
};

} // namespace

std::vector<bundle> bundle_queries(std::span<sequence_span const> sequences, attention_shape const& shape) {
  std::vector<bundle> bundles;
  auto const group = shape.heads / shape.kv_heads;
  auto const heads = std::min<std::uint32_t>(group, most_queries);
  auto const tokens = static_cast<std::uint32_t>(most_queries / heads);
  for (auto const& sequence : sequences) {
    for (std::uint32_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      for (std::uint32_t token = 0; token < sequence.token_count; token += tokens) {
        for (std::uint32_t head = 0; head < group; head += heads) {
          bundles.push_back({&sequence, kv_head, token, std::min(tokens, sequence.token_count - token),
                             kv_head * group + head, std::min(heads, group - head)});
        }
      }
    }
  }
  return bundles;
}

attention_scratch::attention_scratch(attention_shape const& shape, kv_shape const& kv) noexcept
    : padded_dim_(round_up(shape.head_dim, 16)),
      gather_bytes_(
          usable_in_place(kv) ? 0 : split_positions * (padded_dim_ + shape.head_dim) * kv.element_bytes()) {}

std::size_t attention_scratch::bytes() const noexcept {
  auto const floats = most_queries * (split_positions + 3 * padded_dim_);
  return round_up(sizeof(float) * floats + gather_bytes_, 64);
}

void attention_pass::run(bundle const& work, attention_scratch const& scratch) const {
  attention_partial total[most_queries];
  attention_partial part[most_queries];
  for (std::size_t i = 0; i < work.queries(); ++i) {
    total[i] = {0, 0, scratch.merged(i)};
    part[i] = {0, 0, scratch.weighted(i)};
  }
  run_split(work, 0, scratch, total);
  for (std::size_t split = 1; split < splits_of(work.end_position()); ++split) {
    run_split(work, split, scratch, part);
    merge(work, split, total, part, scratch.padded_dim());
  }
  finish(work, total);
}

void attention_pass::run_split(bundle const& work, std::size_t split, attention_scratch const& scratch,
                               attention_partial* out) const {
  auto const begin = split * split_positions;
  auto const end = std::min(work.end_position(), begin + split_positions);
  split_view const view(kv_, layer_, work, begin, end, scratch);
  float const* queries[most_queries];
  std::size_t visible[most_queries];
  for (std::size_t i = 0; i < work.queries(); ++i) {
    auto* const scaled = scratch.query(i);
    auto const* const q = q_ + offset_of(work, i);
    for (std::size_t d = 0; d < shape_.head_dim; ++d) scaled[d] = q[d] * shape_.scale;
    queries[i] = scaled;
    visible[i] = std::clamp(sees(work, i), begin, end) - begin;
  }
  auto const wide = kv_.shape().precision == kv_precision::f32 ? 1 : 0;
  kernels_.attend[wide][work.queries() - 1](view.tiles(), {queries, visible, scratch.scores(), out});
}

void attention_pass::merge(bundle const& work, std::size_t split, attention_partial* total,
                           attention_partial const* part, std::size_t padded_dim) const {
  for (std::size_t i = 0; i < work.queries(); ++i) {
    if (sees(work, i) > split * split_positions) kernels_.merge(total[i], part[i], padded_dim);
  }
}

void attention_pass::finish(bundle const& work, attention_partial const* total) const {
  for (std::size_t i = 0; i < work.queries(); ++i) {
    auto* const out = out_ + offset_of(work, i);
    for (std::size_t d = 0; d < shape_.head_dim; ++d) out[d] = total[i].weighted[d] / total[i].sum;
  }
}

std::size_t attention_pass::offset_of(bundle const& work, std::size_t query) const noexcept {
  auto const token = std::size_t{work.sequence->first_token} + work.first_token + query / work.heads;
  return (token * shape_.heads + work.first_head + query % work.heads) * shape_.head_dim;
}

} // namespace mayfly::gpu::cpu
