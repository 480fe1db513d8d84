#pragma once
// Tensors as they lie in a model file.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mayfly::gpu {

/// Storage types, numbered as GGUF numbers them (ggml/docs/gguf.md, enum ggml_type).
enum class tensor_type : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

/// A matrix of `rows` x `columns` (row-major; a vector has one row) over memory that the model file owns.
/// Quantised types store each row as whole blocks: `columns` is a multiple of the type's block length.
struct tensor_view {
  tensor_type type = tensor_type::f32;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::span<std::byte const> data;
};

/// Half-open range of rows or columns.
struct range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const noexcept { return end - begin; }
};

} // namespace mayfly::gpu
