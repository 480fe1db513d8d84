#include "gpu/formats/half.hpp"
#include "gpu/kernels/cpu/packed_matrix.hpp"

#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

constexpr std::size_t vector_bytes = 64;

float half_at(std::byte const* from, std::size_t lane) noexcept {
  std::uint16_t half = 0;
  std::memcpy(&half, from + lane * sizeof half, sizeof half);
  return half_to_float(half);
}

unsigned at(std::byte const* from, std::size_t index) noexcept {
  return std::to_integer<unsigned>(from[index]);
}

int signed_at(std::byte const* from, std::size_t index) noexcept {
  return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(from[index]));
}

int code_at(packing kind, std::byte const* block, std::size_t lane, std::size_t column) noexcept {
  auto const v = column / 4;
  auto const place = lane * 4 + column % 4;
  if (kind == packing::q8) return static_cast<int>(at(block, v * vector_bytes + place)) - 128;
  auto const nibble = (at(block, v % 4 * vector_bytes + place) >> (v / 4 * 4)) & 15U;
  auto const* const upper = block + 4 * vector_bytes + place;
  switch (kind) {
  case packing::q4:
    return static_cast<int>(nibble) - 8;
  case packing::q5:
    return static_cast<int>(nibble | (((at(upper, 0) >> v) & 1U) << 4)) - 16;
  case packing::q5_min:
  case packing::q5_k:
    return static_cast<int>(nibble | (((at(upper, 0) >> v) & 1U) << 4));
  case packing::q6_k: {
    auto const two = (at(upper, v / 4 * vector_bytes) >> (v % 4 * 2)) & 3U;
    return static_cast<int>(nibble | (two << 4)) - 32;
  }
  default:
    return static_cast<int>(nibble);
  }
}

// weight = scale * code + addend
struct scale_pair {
  float scale = 0;
  float addend = 0;
};

scale_pair scales_at(packed_view const& view, std::byte const* group, std::size_t lane, std::size_t block,
                     std::size_t half) noexcept {
  auto const sizes = layout_of(view.kind);
  auto const* const scales = group + view.scales_at + block * sizes.scales;
  auto const* const super = group + view.supers_at + block / super_blocks * sizes.supers;
  switch (view.kind) {
  case packing::q4_min:
  case packing::q5_min:
    return {half_at(scales, lane), half_at(scales + 32, lane)};
  case packing::q4_k:
  case packing::q5_k:
    return {half_at(super, lane) * static_cast<float>(at(scales, lane)),
            -(half_at(super + 32, lane) * static_cast<float>(at(scales, group_rows + lane)))};
  case packing::q6_k:
    return {half_at(super, lane) * static_cast<float>(signed_at(scales, half * group_rows + lane)), 0};
  default:
    return {half_at(scales, lane), 0};
  }
}

void unpack_float_row(packed_view const& view, std::byte const* group, std::size_t lane,
                      float* out) noexcept {
  for (std::size_t column = 0; column < view.columns; ++column) {
    auto const place = column * group_rows + lane;
    std::uint16_t bits = 0;
    switch (view.kind) {
    case packing::f32:
      std::memcpy(out + column, group + place * sizeof(float), sizeof(float));
      break;
    case packing::f16:
      out[column] = half_at(group, place);
      break;
    default:
      std::memcpy(&bits, group + place * sizeof bits, sizeof bits);
      out[column] = bfloat_to_float(bits);
    }
  }
}

} // namespace

void unpack_row(packed_view const& view, std::size_t row, float* out) noexcept {
  auto const* const group = view.group(row / group_rows);
  auto const lane = row % group_rows;
  auto const sizes = layout_of(view.kind);
  if (sizes.is_float) return unpack_float_row(view, group, lane, out);
  for (std::size_t block = 0; block < view.blocks(); ++block) {
    auto const* const codes = group + block * sizes.codes;
    for (std::size_t half = 0; half < 2; ++half) {
      auto const [scale, addend] = scales_at(view, group, lane, block, half);
      for (std::size_t i = 0; i < 16; ++i) {
        auto const column = half * 16 + i;
        auto const code = static_cast<float>(code_at(view.kind, codes, lane, column));
        out[block * block_columns + column] = scale * code + addend;
      }
    }
  }
}

} // namespace mayfly::gpu::cpu
