#pragma once
#include "gpu/formats/tensor.hpp"

#include <optional>

namespace mayfly::gpu {

/// How a storage type packs a row: whole blocks of `elements` numbers in `bytes` bytes (ggml-common.h names
/// the fields; gguf-py's constants.py lists the sizes).
struct block_layout {
  std::uint32_t elements = 1;
  std::uint32_t bytes = 4;
};

/// Nothing for a type that we do not read.
constexpr std::optional<block_layout> layout_of(tensor_type type) noexcept {
  switch (type) {
  case tensor_type::f32:
    return block_layout{1, 4};
  case tensor_type::f16:
  case tensor_type::bf16:
    return block_layout{1, 2};
  case tensor_type::q4_0:
    return block_layout{32, 18};
  case tensor_type::q4_1:
    return block_layout{32, 20};
  case tensor_type::q5_0:
    return block_layout{32, 22};
  case tensor_type::q5_1:
    return block_layout{32, 24};
  case tensor_type::q8_0:
    return block_layout{32, 34};
  case tensor_type::q4_k:
    return block_layout{256, 144};
  case tensor_type::q5_k:
    return block_layout{256, 176};
  case tensor_type::q6_k:
    return block_layout{256, 210};
  }
  return std::nullopt;
}

/// Bytes of one row. Precondition: `columns` is a multiple of the block length.
constexpr std::size_t row_bytes(block_layout layout, std::uint64_t columns) noexcept {
  return columns / layout.elements * layout.bytes;
}

} // namespace mayfly::gpu
