#include "gpu/formats/dequantise.hpp"

#include "gpu/formats/block_layout.hpp"
#include "gpu/formats/half.hpp"

#include <cstring>

namespace mayfly::gpu {
namespace {

std::uint16_t read_u16(std::byte const* from) noexcept {
  std::uint16_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

unsigned at(std::byte const* from, std::size_t index) noexcept {
  return std::to_integer<unsigned>(from[index]);
}

std::uint8_t narrow(unsigned value) noexcept { return static_cast<std::uint8_t>(value); }

// Low nibbles are elements 0-15, high nibbles 16-31.
void take_nibbles(std::byte const* nibbles, std::uint8_t* codes) noexcept {
  for (std::size_t i = 0; i < 16; ++i) {
    codes[i] = narrow(at(nibbles, i) & 15U);
    codes[i + 16] = narrow(at(nibbles, i) >> 4);
  }
}

void take_fifth_bits(std::byte const* bits, std::uint8_t* codes) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, bits, sizeof word);
  for (std::size_t i = 0; i < 32; ++i) codes[i] = narrow(codes[i] | (((word >> i) & 1U) << 4));
}

void take_q8_0(std::byte const* block, quantised_parts& parts) noexcept {
  parts.scale = half_to_float(read_u16(block));
  for (std::size_t i = 0; i < 32; ++i) parts.codes[i] = narrow(at(block, 2 + i) ^ 0x80U);
}

// Eight scales and eight minima of six bits in twelve bytes: the first four of each whole, the others split
// between a nibble and the two upper bits of the first ones.
void take_k_scales(std::byte const* packed, quantised_parts& parts) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    parts.part_scale[i] = static_cast<std::int8_t>(at(packed, i) & 63U);
    parts.part_min[i] = narrow(at(packed, i + 4) & 63U);
    parts.part_scale[i + 4] =
        static_cast<std::int8_t>((at(packed, i + 8) & 15U) | ((at(packed, i) >> 6) << 4));
    parts.part_min[i + 4] = narrow((at(packed, i + 8) >> 4) | ((at(packed, i + 4) >> 6) << 4));
  }
}

// d, dmin, scales[12], (high bits[32]), nibbles[128]: each 32 bytes of nibbles hold two parts of 32.
void take_q4_k(std::byte const* block, quantised_parts& parts, bool five_bits) noexcept {
  parts.scale = half_to_float(read_u16(block));
  parts.min = half_to_float(read_u16(block + 2));
  take_k_scales(block + 4, parts);
  auto const* const high = block + 16;
  auto const* const nibbles = five_bits ? high + 32 : high;
  for (std::size_t i = 0; i < 256; ++i) {
    auto const part = i / 32;
    auto const byte = at(nibbles, part / 2 * 32 + i % 32);
    auto const low = part % 2 == 0 ? byte & 15U : byte >> 4;
    auto const fifth = five_bits ? ((at(high, i % 32) >> part) & 1U) << 4 : 0U;
    parts.codes[i] = narrow(low | fifth);
  }
}

// ql[128], qh[64], scales[16], d: halves of 128 elements; within one, nibble rows of 32 by 64 bytes of ql and
// two-bit rows by 32 bytes of qh.
void take_q6_k(std::byte const* block, quantised_parts& parts) noexcept {
  for (std::size_t i = 0; i < 256; ++i) {
    auto const half = i / 128;
    auto const row = i % 128 / 32;
    auto const column = i % 32;
    auto const low = at(block, half * 64 + row % 2 * 32 + column) >> (row / 2 * 4) & 15U;
    auto const high = at(block, 128 + half * 32 + column) >> (row * 2) & 3U;
    parts.codes[i] = narrow(low | (high << 4));
  }
  std::memcpy(parts.part_scale, block + 192, 16);
  parts.scale = half_to_float(read_u16(block + 208));
}

void multiply_out(tensor_type type, quantised_parts const& parts, float* out) noexcept {
  switch (type) {
  case tensor_type::q4_1:
  case tensor_type::q5_1:
    for (std::size_t i = 0; i < 32; ++i)
      out[i] = parts.scale * static_cast<float>(parts.codes[i]) + parts.min;
    return;
  case tensor_type::q4_k:
  case tensor_type::q5_k:
    for (std::size_t i = 0; i < 256; ++i) {
      auto const part = i / 32;
      float const scale = parts.scale * static_cast<float>(parts.part_scale[part]);
      float const min = parts.min * static_cast<float>(parts.part_min[part]);
      out[i] = scale * static_cast<float>(parts.codes[i]) - min;
    }
    return;
  case tensor_type::q6_k:
    for (std::size_t i = 0; i < 256; ++i) {
      auto const part = i / 16;
      float const scale = parts.scale * static_cast<float>(parts.part_scale[part]);
      out[i] = scale * static_cast<float>(parts.codes[i] - 32);
    }
    return;
  default:
    for (std::size_t i = 0; i < 32; ++i) {
      out[i] = parts.scale * static_cast<float>(parts.codes[i] - code_offset(type));
    }
  }
}

void convert_plain(tensor_type type, std::byte const* from, std::span<float> out) noexcept {
  if (type == tensor_type::f32) {
    std::memcpy(out.data(), from, out.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto const bits = read_u16(from + 2 * i);
    out[i] = type == tensor_type::f16 ? half_to_float(bits) : bfloat_to_float(bits);
  }
}

} // namespace

void take_apart(tensor_type type, std::byte const* block, quantised_parts& parts) noexcept {
  switch (type) {
  case tensor_type::q8_0:
    return take_q8_0(block, parts);
  case tensor_type::q4_k:
    return take_q4_k(block, parts, false);
  case tensor_type::q5_k:
    return take_q4_k(block, parts, true);
  case tensor_type::q6_k:
    return take_q6_k(block, parts);
  default:
    break;
  }
  parts.scale = half_to_float(read_u16(block));
  auto const has_min = type == tensor_type::q4_1 || type == tensor_type::q5_1;
  auto const* rest = block + 2;
  if (has_min) {
    parts.min = half_to_float(read_u16(rest));
    rest += 2;
  }
  if (type == tensor_type::q4_0 || type == tensor_type::q4_1) return take_nibbles(rest, parts.codes);
  take_nibbles(rest + 4, parts.codes);
  take_fifth_bits(rest, parts.codes);
}

result<void> dequantise_row(tensor_view const& tensor, std::uint64_t row, std::span<float> out) {
  auto const layout = layout_of(tensor.type);
  if (!layout) return error{errc::unsupported, "tensor type", static_cast<std::int64_t>(tensor.type)};
  if (row >= tensor.rows || out.size() != tensor.columns || tensor.columns % layout->elements != 0) {
    return error{errc::invalid_request, "row outside of the tensor", static_cast<std::int64_t>(row)};
  }
  auto const bytes = row_bytes(*layout, tensor.columns);
  if (tensor.data.size() / tensor.rows < bytes) {
    return error{errc::invalid_request, "tensor data too short",
                 static_cast<std::int64_t>(tensor.data.size())};
  }
  auto const* block = tensor.data.data() + row * bytes;
  if (layout->elements == 1) {
    convert_plain(tensor.type, block, out);
    return {};
  }
  quantised_parts parts;
  for (std::size_t at_column = 0; at_column < out.size(); at_column += layout->elements) {
    take_apart(tensor.type, block, parts);
    multiply_out(tensor.type, parts, out.data() + at_column);
    block += layout->bytes;
  }
  return {};
}

} // namespace mayfly::gpu
