#pragma once
#include "gpu/formats/tensor.hpp"
#include "protocol/base/result.hpp"

namespace mayfly::gpu {

/// One block of a storage type as integers and scales, before any of them are multiplied: what both the
/// reference below and the kernels' repacking read. weight[i] = scale[i / part] * (code[i] - offset) -
/// min[i / part], where a part is 16 or 32 elements.
struct quantised_parts {
  std::uint8_t codes[256];    ///< unsigned; see `offset`
  float scale = 0;            ///< of the whole block (the file's f16 "d")
  float min = 0;              ///< of the whole block: Q4_1, Q5_1 add it ("m"); k-quants subtract it ("dmin")
  std::int8_t part_scale[16]; ///< k-quants: integer scale of each part, else unused
  std::uint8_t part_min[8];   ///< Q4_K, Q5_K: integer minimum of each part of 32, else unused
};

/// Takes one block apart. `block` holds `layout_of(type)->bytes` bytes; `type` is a quantised one.
void take_apart(tensor_type type, std::byte const* block, quantised_parts& parts) noexcept;

/// What a type's codes are above the numbers that they stand for (Q8_0: 128, Q4_0: 8, Q6_K: 32, ...).
constexpr int code_offset(tensor_type type) noexcept {
  switch (type) {
  case tensor_type::q8_0:
    return 128;
  case tensor_type::q4_0:
    return 8;
  case tensor_type::q5_0:
    return 16;
  case tensor_type::q6_k:
    return 32;
  default:
    return 0;
  }
}

/// The reference: row `row` of `tensor` as floats, rounded as gguf-py's quants.py rounds. Errors:
/// unsupported (type), invalid_request (row outside, `out` not `columns` long, data too short).
result<void> dequantise_row(tensor_view const& tensor, std::uint64_t row, std::span<float> out);

} // namespace mayfly::gpu
