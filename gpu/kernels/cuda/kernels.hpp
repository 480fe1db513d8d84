#pragma once
// Everything that runs on the device, as the backend starts it: each function enqueues one kernel or two.
// Addresses are the device's.
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cuda/queue.hpp"
#include "gpu/kernels/cuda/step_tables.hpp"
#include "gpu/kernels/cuda/weight_layout.hpp"

namespace mayfly::gpu::cuda {

/// At most so many tokens are multiplied by the project's own kernels, which read a weight once at the speed
/// of memory; more by cuBLASLt.
inline constexpr std::uint32_t few_tokens = 16;

// products_*.cu
/// out[tokens][rows] (+)= x[tokens][columns] * matrix^T. Precondition: tokens <= few_tokens.
void multiply_few(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                  float* out, bool adds);
void multiply_few_quantised(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                            float* out, bool adds);
void multiply_few_plain(device_queue& on, matrix_view const& matrix, float const* x, std::uint32_t tokens,
                        float* out, bool adds);

// rows.cu
/// out[tokens][stride] in 16 bits, zero beyond `columns`.
void narrow(device_queue& on, float const* x, std::uint32_t tokens, std::uint32_t columns,
            number_format format, std::uint16_t* out, std::uint32_t stride);
/// Rows [first, first + rows) of a quantised matrix as bf16 [rows][stride * 256].
void expand(device_queue& on, matrix_view const& matrix, std::uint32_t first, std::uint32_t rows,
            std::uint16_t* out);
/// See backend::embed; `tokens` are the device's.
void embed(device_queue& on, matrix_view const& table, token_id first, token_id const* tokens,
           std::uint32_t count, float* out);
void rms_norm(device_queue& on, float const* x, std::uint32_t tokens, std::uint32_t width,
              float const* weight, float epsilon, float* out);
/// up[i] = silu(gate[i]) * up[i].
void gate(device_queue& on, float const* gates, float* up, std::size_t count);
void gather(device_queue& on, float const* x, std::uint32_t width, std::uint32_t const* rows,
            std::uint32_t count, float* out);

// attention.cu
/// The KV cache of one layer: element (block, K or V, head, position, dimension) at
/// base + block * block_bytes + ((value * kv_heads + head) * block_tokens + position) * head_dim elements.
struct kv_view {
  std::byte* base = nullptr; ///< of the layer in block 0
  std::size_t block_bytes = 0;
  std::uint32_t block_tokens = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  kv_precision precision = kv_precision::f16;
};

struct rotation {
  float const* frequencies = nullptr; ///< [dims / 2], radians a position
  std::uint32_t dims = 0;
  bool interleaved = true;
};

/// See backend::rotate_and_store.
void rotate_and_store(device_queue& on, float* q, float const* k, float const* v, step_view const& step,
                      attention_shape const& shape, rotation const& rope, kv_view const& kv);

/// What attention over `step` needs of partial results: floats. `splits`: parts that each sequence is cut
/// into.
std::size_t partial_floats(step_view const& step, attention_shape const& shape, std::uint32_t splits);

/// See backend::attend. `partials` may be null where splits is 1.
void attend(device_queue& on, float const* q, step_view const& step, attention_shape const& shape,
            kv_view const& kv, std::uint32_t splits, float* partials, float* out);

/// True if the mma kernel does it; else one thread a position, for odd widths and f32.
bool attends_by_tiles(attention_shape const& shape, kv_precision precision) noexcept;

// sampling.cu
/// One row's parameters and result; see backend::draw.
struct draw_row {
  float inverse_temperature = 0; ///< 0: greedy
  float top_p = 1;
  float min_p = 0;
  std::int32_t top_k = 0;
  double share = 0;
};
/// chosen[i]: a token of logits row i, -1 where the row is no distribution.
void draw(device_queue& on, float const* logits, std::uint32_t vocabulary, draw_row const* rows,
          std::uint32_t count, token_id* chosen);

} // namespace mayfly::gpu::cuda
