#include "gpu/formats/block_layout.hpp"
#include "gpu/formats/dequantise.hpp"
#include "gpu/formats/half.hpp"
#include "gpu/kernels/cpu/packed_matrix.hpp"

#include <algorithm>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t vector_bytes = 64;

void put_half(std::byte* at, std::size_t lane, float value) noexcept {
  auto const half = float_to_half_clamped(value);
  std::memcpy(at + lane * sizeof half, &half, sizeof half);
}

std::byte low(unsigned value) noexcept { return static_cast<std::byte>(value); }

// `codes` are 32 columns of the row in `lane`.
void put_codes(packing kind, std::uint8_t const* codes, std::size_t lane, std::byte* block) noexcept {
  for (std::size_t column = 0; column < block_columns; ++column) {
    auto const v = column / 4;
    auto const at = lane * 4 + column % 4;
    unsigned const code = codes[column];
    if (kind == packing::q8) {
      block[v * vector_bytes + at] = low(code);
      continue;
    }
    block[v % 4 * vector_bytes + at] |= low((code & 15U) << (v / 4 * 4));
    auto* const upper = block + 4 * vector_bytes + at;
    if (kind == packing::q6_k)
      upper[v / 4 * vector_bytes] |= low((code >> 4) << (v % 4 * 2));
    else if (code > 15)
      *upper |= low(1U << v);
  }
}

void put_scales(packing kind, quantised_parts const& parts, std::size_t part, std::size_t lane,
                std::byte* scales) noexcept {
  switch (kind) {
  case packing::q4_k:
  case packing::q5_k:
    scales[lane] = static_cast<std::byte>(parts.part_scale[part]);
    scales[group_rows + lane] = static_cast<std::byte>(parts.part_min[part]);
    return;
  case packing::q6_k:
    scales[lane] = static_cast<std::byte>(parts.part_scale[part * 2]);
    scales[group_rows + lane] = static_cast<std::byte>(parts.part_scale[part * 2 + 1]);
    return;
  default:
    put_half(scales, lane, parts.scale);
    if (layout_of(kind).scales == 64) put_half(scales + 32, lane, parts.min);
  }
}

void pack_quantised_row(tensor_type type, std::byte const* source, packed_view const& view, std::size_t lane,
                        std::byte* group) {
  auto const sizes = layout_of(view.kind);
  auto const from = *gpu::layout_of(type);
  auto const parts_each = from.elements / block_columns;
  quantised_parts parts;
  for (std::size_t block = 0; block < view.blocks(); ++block) {
    auto const part = block % parts_each;
    if (part == 0) {
      take_apart(type, source, parts);
      source += from.bytes;
      auto* const super = group + view.supers_at + block / super_blocks * sizes.supers;
      if (sizes.supers != 0) put_half(super, lane, parts.scale);
      if (sizes.supers == 64) put_half(super + 32, lane, parts.min);
    }
    put_codes(view.kind, parts.codes + part * block_columns, lane, group + block * sizes.codes);
    put_scales(view.kind, parts, part, lane, group + view.scales_at + block * sizes.scales);
  }
}

void pack_float_row(std::byte const* source, std::size_t width, packed_view const& view, std::size_t lane,
                    std::byte* group) noexcept {
  for (std::size_t column = 0; column < view.columns; ++column) {
    std::memcpy(group + (column * group_rows + lane) * width, source + column * width, width);
  }
}

} // namespace

packed_view plan_packing(packing kind, std::size_t rows, std::size_t columns) noexcept {
  auto const sizes = layout_of(kind);
  packed_view view{kind, rows, columns, 0, 0, 0, nullptr};
  auto const blocks = sizes.is_float ? columns : view.blocks();
  view.scales_at = blocks * sizes.codes;
  view.supers_at = view.scales_at + blocks * sizes.scales;
  auto const bytes = view.supers_at + (blocks + super_blocks - 1) / super_blocks * sizes.supers;
  view.group_bytes = (bytes + vector_bytes - 1) / vector_bytes * vector_bytes;
  return view;
}

packing packing_for(tensor_type type) noexcept {
  switch (type) {
  case tensor_type::f32:
    break;
  case tensor_type::f16:
    return packing::f16;
  case tensor_type::bf16:
    return packing::bf16;
  case tensor_type::q4_0:
    return packing::q4;
  case tensor_type::q4_1:
    return packing::q4_min;
  case tensor_type::q5_0:
    return packing::q5;
  case tensor_type::q5_1:
    return packing::q5_min;
  case tensor_type::q8_0:
    return packing::q8;
  case tensor_type::q4_k:
    return packing::q4_k;
  case tensor_type::q5_k:
    return packing::q5_k;
  case tensor_type::q6_k:
    return packing::q6_k;
  }
  return packing::f32;
}

void pack_group(tensor_view const& tensor, range rows, range columns, packed_view const& view,
                std::size_t index, std::byte* group) {
  auto const from = *gpu::layout_of(tensor.type);
  auto const stride = row_bytes(from, tensor.columns);
  auto const skipped = row_bytes(from, columns.begin);
  auto const first = rows.begin + index * group_rows;
  auto const count = std::min<std::size_t>(group_rows, rows.end - first);
  for (std::size_t lane = 0; lane < count; ++lane) {
    auto const* const source = tensor.data.data() + (first + lane) * stride + skipped;
    if (from.elements == 1)
      pack_float_row(source, from.bytes, view, lane, group);
    else
      pack_quantised_row(tensor.type, source, view, lane, group);
  }
}

} // namespace mayfly::gpu::cpu
