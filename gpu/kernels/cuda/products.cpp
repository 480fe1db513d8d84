// Weights times activations: which kernel takes how many tokens.
#include "gpu/kernels/cuda/cuda_backend.hpp"

#include <algorithm>

namespace mayfly::gpu::cuda {
namespace {

// Quantised weights are read by the kernels for few tokens up to four times, sixteen tokens each: expanding
// them to bf16 and reading those moves more bytes until then (Q8_0: 4 * 1.06 against 1.06 + 2 + 2 a weight).
constexpr std::size_t quantised_few = 4 * std::size_t{few_tokens};

constexpr number_format format_of(storage kind) noexcept {
  return kind == storage::f32   ? number_format::f32
         : kind == storage::f16 ? number_format::f16
                                : number_format::bf16;
}

} // namespace

/// Valid for the rest of the operation.
std::byte* cuda_backend::narrow_rows(float const* x, std::size_t tokens, std::size_t columns,
                                     number_format format, std::size_t stride) {
  auto* const memory = narrow_.reserve(tokens * stride * sizeof(std::uint16_t));
  if (memory == nullptr) {
    fail("no device memory for activations in 16 bits");
    return nullptr;
  }
  narrowed_rows const wanted{x, format, stride};
  if (narrowed_ == wanted) return memory;
  narrowed_ = wanted;
  narrow(*queue_, x, static_cast<std::uint32_t>(tokens), static_cast<std::uint32_t>(columns), format,
         reinterpret_cast<std::uint16_t*>(memory), static_cast<std::uint32_t>(stride));
  return memory;
}

void cuda_backend::send_product(dense_product product) {
  product.workspace = library_.reserve(options_.library_bytes);
  if (product.workspace == nullptr) return fail("no device memory for cuBLASLt's workspace");
  product.workspace_bytes = options_.library_bytes;
  queue_->multiply(product);
}

/// A quantised matrix, some rows after another as bf16, times activations in bf16.
void cuda_backend::run_expanded(matrix_view const& matrix, std::byte const* x, std::size_t tokens, float* out,
                                bool adds) {
  std::size_t const stride = std::size_t{matrix.stride} * super_columns;
  auto const most =
      std::max<std::size_t>(options_.expanded_bytes / (stride * sizeof(std::uint16_t)), row_granule);
  auto const at_once = std::min<std::size_t>(most, matrix.rows);
  auto* const weights = expanded_.reserve(at_once * stride * sizeof(std::uint16_t));
  if (weights == nullptr) return fail("no device memory to expand weights");
  for (std::size_t first = 0; first < matrix.rows; first += at_once) {
    auto const rows = std::min<std::size_t>(at_once, matrix.rows - first);
    expand(*queue_, matrix, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(rows),
           reinterpret_cast<std::uint16_t*>(weights));
    send_product(
        {number_format::bf16, weights, x, out + first, rows, stride, tokens, stride, matrix.rows, adds});
  }
}

void cuda_backend::run_dense(matrix_view const& matrix, float const* x, std::size_t tokens, float* out,
                             bool adds) {
  if (matrix.kind == storage::f32) {
    send_product({number_format::f32, matrix.codes, x, out, matrix.rows, matrix.columns, tokens,
                  matrix.stride, matrix.rows, adds});
    return;
  }
  bool const quantised = is_quantised(matrix.kind);
  std::size_t const stride = quantised ? std::size_t{matrix.stride} * super_columns : matrix.stride;
  auto const format = format_of(matrix.kind);
  auto* const x16 = narrow_rows(x, tokens, matrix.columns, format, stride);
  if (x16 == nullptr) return;
  if (quantised) return run_expanded(matrix, x16, tokens, out, adds);
  send_product({format, matrix.codes, x16, out, matrix.rows, stride, tokens, stride, matrix.rows, adds});
}

void cuda_backend::run_product(matrix_view const& matrix, float const* x, std::size_t tokens, float* out,
                               bool adds) {
  auto const most = is_quantised(matrix.kind) ? quantised_few : std::size_t{few_tokens};
  if (tokens > most) return run_dense(matrix, x, tokens, out, adds);
  for (std::size_t first = 0; first < tokens; first += few_tokens) {
    auto const count = static_cast<std::uint32_t>(std::min<std::size_t>(few_tokens, tokens - first));
    multiply_few(*queue_, matrix, x + first * matrix.columns, count, out + first * matrix.rows, adds);
  }
}

void cuda_backend::multiply(std::span<packed_weight const* const> weights, float const* x, std::size_t tokens,
                            std::span<float* const> outs) {
  narrowed_ = {};
  for (std::size_t i = 0; i < weights.size(); ++i)
    run_product(of(*weights[i]).view(), x, tokens, outs[i], false);
}

void cuda_backend::multiply_add(packed_weight const& weight, float const* x, std::size_t tokens, float* out) {
  narrowed_ = {};
  run_product(of(weight).view(), x, tokens, out, true);
}

void cuda_backend::gated_up(packed_weight const& gate, packed_weight const& up, float const* x,
                            std::size_t tokens, float* out) {
  auto const count = tokens * gate.rows();
  auto* const gates = reinterpret_cast<float*>(gates_.reserve(count * sizeof(float)));
  if (gates == nullptr) return fail("no device memory for gates");
  narrowed_ = {};
  run_product(of(gate).view(), x, tokens, gates, false);
  run_product(of(up).view(), x, tokens, out, false);
  cuda::gate(*queue_, gates, out, count);
}

} // namespace mayfly::gpu::cuda
