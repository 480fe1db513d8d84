#include "gpu/kernels/cuda/pack.hpp"

#include "gpu/formats/block_layout.hpp"
#include "gpu/formats/dequantise.hpp"

#include <bit>
#include <cstring>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t alignment = 256;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Where the code of a superblock's column stands: see weight_layout.hpp.
struct code_place {
  std::size_t block;
  std::size_t t;
  std::size_t element;
};
code_place place_of(std::size_t column) {
  auto const within = column % 32;
  return {column / 32, within % 16 / 4, within / 16 * 4 + within % 4};
}

void or_into(std::byte* word, std::uint32_t bits) {
  std::uint32_t value = 0;
  std::memcpy(&value, word, sizeof value);
  value |= bits;
  std::memcpy(word, &value, sizeof value);
}

std::uint16_t scale_bits(std::byte const* from) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

/// The planes of one superblock.
struct super_planes {
  std::byte* codes;
  std::byte* high;
  std::byte* scales;
  std::byte* supers;
};

/// One block of 32 as number `block` of its superblock.
void pack_q8_0(std::byte const* from, std::size_t block, super_planes const& to) {
  std::memcpy(to.scales + block * 2, from, 2);
  quantised_parts parts;
  take_apart(tensor_type::q8_0, from, parts);
  for (std::size_t i = 0; i < 32; ++i) {
    auto const place = place_of(i);
    to.codes[block / 2 * 64 + place.t * 16 + block % 2 * 8 + place.element] = std::byte{parts.codes[i]};
  }
}

void pack_nibble(std::size_t column, unsigned code, super_planes const& to) {
  auto const place = place_of(column);
  auto const bit = place.element / 2 * 4 + place.element % 2 * 16;
  or_into(to.codes + place.block / 4 * 64 + place.t * 16 + place.block % 4 * 4, (code & 15U) << bit);
}

void pack_q4_k(std::byte const* from, super_planes const& to) {
  std::memcpy(to.supers, from, 4); // d, dmin
  quantised_parts parts;
  take_apart(tensor_type::q4_k, from, parts);
  for (std::size_t part = 0; part < 8; ++part) {
    to.scales[part] = static_cast<std::byte>(parts.part_scale[part]);
    to.scales[8 + part] = std::byte{parts.part_min[part]};
  }
  for (std::size_t i = 0; i < super_columns; ++i) pack_nibble(i, parts.codes[i], to);
}

void pack_q6_k(std::byte const* from, super_planes const& to) {
  std::memcpy(to.scales, from + 192, 16);
  auto const d = scale_bits(from + 208);
  std::memcpy(to.supers, &d, sizeof d);
  quantised_parts parts;
  take_apart(tensor_type::q6_k, from, parts);
  for (std::size_t i = 0; i < super_columns; ++i) {
    pack_nibble(i, parts.codes[i], to);
    auto const place = place_of(i);
    auto const bit = (place.block % 2 * 4 + place.element / 2) * 2 + place.element % 2 * 16;
    or_into(to.high + place.t * 16 + place.block / 2 * 4, std::uint32_t{parts.codes[i]} >> 4U << bit);
  }
}

/// binary32 to bfloat16, to nearest even.
std::uint16_t bfloat_of(float value) {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16U | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U);
}

void expand_row(tensor_view const& tensor, std::uint64_t row, range columns, std::byte* to) {
  std::vector<float> whole(tensor.columns);
  if (!dequantise_row(tensor, row, whole)) return; // the range was checked
  for (auto column = columns.begin; column < columns.end; ++column) {
    auto const bits = bfloat_of(whole[column]);
    std::memcpy(to + (column - columns.begin) * sizeof bits, &bits, sizeof bits);
  }
}

void pack_plain_row(tensor_view const& tensor, std::uint64_t row, range columns, storage kind,
                    std::byte* to) {
  auto const layout = *layout_of(tensor.type);
  if (layout.elements != 1) return expand_row(tensor, row, columns, to);
  auto const element = planes_of(kind).codes;
  auto const* const from = tensor.data.data() + row * row_bytes(layout, tensor.columns);
  std::memcpy(to, from + columns.begin * element, columns.size() * element);
}

} // namespace

matrix_view packed_layout::at(std::byte const* base) const noexcept {
  auto placed = view;
  auto const plane = [&](std::size_t offset) { return reinterpret_cast<std::uint8_t const*>(base + offset); };
  placed.codes = plane(codes_at);
  placed.high = plane(high_at);
  placed.scales = plane(scales_at);
  placed.supers = plane(supers_at);
  return placed;
}

packed_layout plan_layout(storage kind, std::uint64_t rows, std::uint64_t columns) noexcept {
  packed_layout plan;
  plan.view.kind = kind;
  plan.view.rows = static_cast<std::uint32_t>(rows);
  plan.view.columns = static_cast<std::uint32_t>(columns);
  plan.view.stride = stride_of(kind, columns);
  plan.padded_rows = (rows + row_granule - 1) / row_granule * row_granule;
  auto const units = plan.padded_rows * plan.view.stride;
  auto const planes = planes_of(kind);
  plan.high_at = plan.codes_at + aligned(units * planes.codes);
  plan.scales_at = plan.high_at + aligned(units * planes.high);
  plan.supers_at = plan.scales_at + aligned(units * planes.scales);
  plan.bytes = plan.supers_at + aligned(units * planes.supers);
  return plan;
}

void pack_row(tensor_view const& tensor, range rows, range columns, packed_layout const& layout,
              std::uint64_t row, std::byte* base) {
  auto const kind = layout.view.kind;
  auto const planes = planes_of(kind);
  auto const first_unit = row * layout.view.stride;
  if (!is_quantised(kind))
    return pack_plain_row(tensor, rows.begin + row, columns, kind,
                          base + layout.codes_at + first_unit * planes.codes);
  auto const block = *layout_of(tensor.type);
  auto const* from = tensor.data.data() + (rows.begin + row) * row_bytes(block, tensor.columns) +
                     columns.begin / block.elements * block.bytes;
  auto const blocks_a_super = super_columns / block.elements;
  for (std::size_t index = 0; index < columns.size() / block.elements; ++index, from += block.bytes) {
    auto const unit = first_unit + index / blocks_a_super;
    super_planes const to{
        base + layout.codes_at + unit * planes.codes, base + layout.high_at + unit * planes.high,
        base + layout.scales_at + unit * planes.scales, base + layout.supers_at + unit * planes.supers};
    if (kind == storage::q8_0)
      pack_q8_0(from, index % blocks_a_super, to);
    else if (kind == storage::q4_k)
      pack_q4_k(from, to);
    else
      pack_q6_k(from, to);
  }
}

} // namespace mayfly::gpu::cuda
