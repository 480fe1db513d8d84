// Weights times activations. A unit of work is one group of 16 rows against up to 64 tokens: the group stays
// in the first-level cache while the tokens' tiles pass by.
#include "gpu/kernels/cpu/cpu_backend.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t unit_tokens = 8 * tile_tokens;
// A claim of a chunk costs some tens of nanoseconds, reading this much microseconds.
constexpr std::size_t chunk_bytes = 32 * 1024;
constexpr std::size_t worth_sharing_bytes = 24 * 1024;

std::size_t tile_width(std::size_t tokens) { return std::bit_ceil(tokens); }

bool wants_tiles(std::span<packed_weight const* const> weights) {
  return std::ranges::any_of(weights,
                             [](auto const* each) { return !layout_of(of(*each).view().kind).is_float; });
}

void end_rows(float const* sums, std::size_t rows, bool add, float* out) {
  if (!add) {
    std::memcpy(out, sums, rows * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < rows; ++i) out[i] += sums[i];
}

} // namespace

void cpu_backend::multiply(std::span<packed_weight const* const> weights, float const* x, std::size_t tokens,
                           std::span<float* const> outs) {
  assert(weights.size() == outs.size());
  run_product({weights, outs, x, tokens, ending::store, nullptr});
}

void cpu_backend::multiply_add(packed_weight const& weight, float const* x, std::size_t tokens, float* out) {
  auto const* const pointer = &weight;
  run_product({{&pointer, 1}, {&out, 1}, x, tokens, ending::add, nullptr});
}

void cpu_backend::gated_up(packed_weight const& gate, packed_weight const& up, float const* x,
                           std::size_t tokens, float* out) {
  assert(gate.rows() == up.rows() && gate.columns() == up.columns());
  packed_weight const* const both[] = {&gate, &up};
  run_product({both, {&out, 1}, x, tokens, ending::gate, nullptr});
}

std::byte const* cpu_backend::quantise(float const* x, std::size_t tokens, std::size_t columns) {
  auto const blocks = columns / block_columns;
  auto const count = (tokens + tile_tokens - 1) / tile_tokens;
  auto const tile_bytes = blocks * tile_tokens * tile_block_bytes;
  auto* const tiles = tiles_.reserve(count * tile_bytes);
  if (tiles == nullptr) {
    fail("no memory for quantised activations");
    return nullptr;
  }
  pool_.run(count, worth_sharing_bytes / (columns * tile_tokens) + 1,
            [&](std::size_t, std::size_t begin, std::size_t end) {
              for (auto tile = begin; tile < end; ++tile) {
                auto const held = std::min(tile_tokens, tokens - tile * tile_tokens);
                kernels_.quantise(x + tile * tile_tokens * columns, columns, held, tile_width(held), blocks,
                                  tiles + tile * tile_bytes);
              }
            });
  return tiles;
}

void cpu_backend::run_product(product work) {
  if (work.tokens == 0 || work.weights.empty()) return;
  auto const columns = of(*work.weights.front()).view().columns;
  if (wants_tiles(work.weights)) {
    work.tiles = quantise(work.x, work.tokens, columns);
    if (work.tiles == nullptr) return;
  }
  std::size_t groups = 0;
  std::size_t bytes = 0;
  auto const counted = work.end == ending::gate ? work.weights.first(1) : work.weights;
  for (auto const* const weight : counted) {
    assert(weight->columns() == columns);
    groups += of(*weight).view().groups();
    bytes += weight->size_bytes();
  }
  auto const spans = (work.tokens + unit_tokens - 1) / unit_tokens;
  auto const units = groups * spans;
  auto const effort = bytes * std::min(work.tokens, unit_tokens) / groups + 1; // of a unit
  auto const even = units / (pool_.size() * 4) + 1;
  auto const chunk = bytes * work.tokens < worth_sharing_bytes
                         ? units
                         : std::clamp<std::size_t>(chunk_bytes / effort, 1, even);
  pool_.run(units, chunk, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (auto unit = begin; unit < end; ++unit) {
      auto const first = unit / groups * unit_tokens;
      auto const last = std::min(work.tokens, first + unit_tokens);
      if (work.end == ending::gate)
        run_gated_groups(work, unit % groups, first, last);
      else
        run_groups(work, unit % groups, first, last);
    }
  });
}

void cpu_backend::multiply_tile(packed_view const& view, std::size_t group, product const& work,
                                std::size_t first_token, std::size_t count, float* out) const {
  auto const* const start = view.group(group);
  group_pointers const pointers{start, start + view.scales_at, start + view.supers_at};
  if (!layout_of(view.kind).is_float) {
    auto const blocks = view.blocks();
    auto const* const tile = work.tiles + first_token / tile_tokens * blocks * tile_tokens * tile_block_bytes;
    auto const width_log2 = std::bit_width(tile_width(count)) - 1;
    kernels_.quantised[static_cast<std::size_t>(view.kind)][width_log2](pointers, blocks, tile, out);
    return;
  }
  auto const kind = static_cast<std::size_t>(view.kind) - static_cast<std::size_t>(packing::f32);
  for (std::size_t done = 0; done < count;) {
    auto const tokens = std::min<std::size_t>(4, std::bit_floor(count - done));
    auto const* const x = work.x + (first_token + done) * view.columns;
    kernels_.floats[kind][std::bit_width(tokens) - 1](pointers, view.columns, x, view.columns,
                                                      out + done * group_rows);
    done += tokens;
  }
}

void cpu_backend::run_groups(product const& work, std::size_t group, std::size_t first_token,
                             std::size_t end_token) {
  std::size_t index = 0;
  while (group >= of(*work.weights[index]).view().groups())
    group -= of(*work.weights[index++]).view().groups();
  auto const& view = of(*work.weights[index]).view();
  auto const rows = std::min(group_rows, view.rows - group * group_rows);
  alignas(64) float sums[tile_tokens * group_rows];
  for (auto token = first_token; token < end_token; token += tile_tokens) {
    auto const count = std::min(tile_tokens, end_token - token);
    multiply_tile(view, group, work, token, count, sums);
    for (std::size_t i = 0; i < count; ++i) {
      auto* const out = work.outs[index] + (token + i) * view.rows + group * group_rows;
      end_rows(sums + i * group_rows, rows, work.end == ending::add, out);
    }
  }
}

void cpu_backend::run_gated_groups(product const& work, std::size_t group, std::size_t first_token,
                                   std::size_t end_token) {
  auto const& gate = of(*work.weights[0]).view();
  auto const& up = of(*work.weights[1]).view();
  auto const rows = std::min(group_rows, gate.rows - group * group_rows);
  alignas(64) float gates[tile_tokens * group_rows];
  alignas(64) float ups[tile_tokens * group_rows];
  for (auto token = first_token; token < end_token; token += tile_tokens) {
    auto const count = std::min(tile_tokens, end_token - token);
    multiply_tile(gate, group, work, token, count, gates);
    multiply_tile(up, group, work, token, count, ups);
    kernels_.gate(gates, ups, count * group_rows, gates);
    for (std::size_t i = 0; i < count; ++i) {
      auto* const out = work.outs[0] + (token + i) * gate.rows + group * group_rows;
      end_rows(gates + i * group_rows, rows, false, out);
    }
  }
}

} // namespace mayfly::gpu::cpu
