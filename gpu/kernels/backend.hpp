#pragma once
// What the engine asks of a compute device. One implementation a device (cpu/, cuda/), all held to
// tests/gpu/core/kernels/backend_contract_*. Addresses of activations are device addresses: only the backend
// dereferences them, `upload` and `download` cross over.
//
// Shapes are row-major; T is the number of tokens of the step, R and C the rows and columns of a weight.
// Results for one token are bitwise the same alone or in any batch, with any chunking and thread count, on
// processors; on CUDA they are within a tolerance that gpu/kernels/cuda/README.md states.
// Operations are enqueued in order; `synchronize` waits and reports what failed. Preconditions (shapes that
// fit, blocks inside the cache) are the caller's duty and are asserted in debug builds.
#include "gpu/formats/tensor.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <functional>
#include <memory>
#include <span>

namespace mayfly::gpu {

/// A weight repacked for a device; opaque. Immutable; lives no longer than its backend.
class packed_weight {
public:
  virtual ~packed_weight() = default;
  virtual std::uint64_t rows() const noexcept = 0;
  virtual std::uint64_t columns() const noexcept = 0;
  virtual std::size_t size_bytes() const noexcept = 0;
};

/// How K and V are kept. f16 moves a log probability by some thousandths, which is less than quantised
/// weights do; models of float weights want f32.
enum class kv_precision : std::uint8_t { f16, f32 };

/// Shape of a paged KV cache. Layout: [block][layer][K, V][kv_head], and within it what suits the device, so
/// that wiping a block is one contiguous memset.
struct kv_shape {
  std::uint32_t blocks = 0;
  std::uint32_t block_tokens = 16; ///< positions a block
  std::uint32_t layers = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  kv_precision precision = kv_precision::f16;
  std::size_t element_bytes() const noexcept { return precision == kv_precision::f32 ? 4 : 2; }
  std::size_t block_bytes() const noexcept {
    return 2 * element_bytes() * layers * kv_heads * block_tokens * head_dim;
  }
};

/// The KV memory of one engine on one device; opaque, wiped when destroyed.
class kv_memory {
public:
  virtual ~kv_memory() = default;
};

/// One sequence's share of a step: tokens [first_token, first_token + token_count) of the batch stand at
/// positions first_position, first_position + 1, ...; `blocks` holds its KV blocks in order of position and
/// reaches at least to the last of them. Token t attends to all positions up to its own.
struct sequence_span {
  std::uint32_t first_token = 0;
  std::uint32_t token_count = 0;
  std::uint32_t first_position = 0;
  std::span<std::uint32_t const> blocks;
};

/// Rotary position embedding (Su et al., RoFormer, 2021). `interleaved`: pairs (2i, 2i+1), as GGUF's llama
/// files store Q and K; otherwise pairs (i, i + dims/2). `frequency_factors` divides each pair's frequency
/// (Llama 3), empty means ones.
struct rope_parameters {
  float theta = 10000.0F;
  float scale = 1.0F; ///< positions are multiplied by it (linear scaling)
  std::uint32_t dims = 0;
  bool interleaved = true;
  std::span<float const> frequency_factors; ///< [dims / 2] or empty
};

struct attention_shape {
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  float scale = 0; ///< of the scores: 1 / sqrt(head_dim) unless the model says otherwise
};

/// What a step computes on: see model/model.hpp's step_batch.
struct step_inputs {
  std::span<token_id const> tokens;
  std::span<sequence_span const> sequences;
  std::span<std::uint32_t const> sampled;
  attention_shape attention;
  kv_memory* kv = nullptr;
};

/// `replayed`: the device has done the whole step already, from a recording; nothing is left to call.
enum class step_course : std::uint8_t { compute, replayed };

/// How one row of logits becomes a token, without penalties, biases or log probabilities: the meaning of each
/// is that of engine/sampler.hpp. `share`: the number in [0, 1) that draws.
struct draw_parameters {
  float temperature = 1.0F; ///< 0: greedy
  float top_p = 1.0F;
  std::int32_t top_k = 0;
  float min_p = 0.0F;
  double share = 0;
};

/// Where a device's operations are enqueued: a collective on the device itself goes there, in order with
/// them.
struct device_stream {
  std::function<void*()> native; ///< the cudaStream_t, whose device is the calling thread's from then on
  std::function<bool()> is_idle; ///< true once all that was enqueued is done; any thread. Empty: no device
  std::function<void()> mark;    ///< enqueues a mark: a long queue's progress shows by those
  std::function<std::uint64_t()> marks_done; ///< how many the device has passed; any thread
};

class backend {
public:
  virtual ~backend() = default;

  /// "cpu-avx512", "cpu-portable", ...: for status and benchmarks.
  virtual literal name() const noexcept = 0;

  /// Repacks `rows` x `columns` of `tensor`. Errors: unsupported (type), invalid_request (a range that cuts a
  /// quantisation block), out_of_memory.
  virtual result<std::unique_ptr<packed_weight>> prepare(tensor_view const& tensor, range rows,
                                                         range columns) = 0;

  /// How K and V are best kept here for a model whose weights are all floats, or not.
  virtual kv_precision kv_precision_for(bool float_weights) const noexcept {
    return float_weights ? kv_precision::f32 : kv_precision::f16;
  }

  virtual result<std::unique_ptr<kv_memory>> create_kv_memory(kv_shape const& shape) = 0;

  /// Zeroed, content-grade memory for activations. Null if there is none left. `release` wipes first.
  virtual float* allocate(std::size_t count) = 0;
  virtual void release(float* memory, std::size_t count) noexcept = 0;

  virtual void upload(std::span<float const> from, float* to) = 0;
  /// Waits for what was enqueued before: `to` holds the values on return, unless `synchronize` then fails.
  virtual void download(float const* from, std::span<float> to) = 0;

  /// Optional, around the operations of one step: their tokens, sequences and rows are then those of
  /// `inputs`, the very spans, so that a device takes them over once. `owner` promises that it calls the same
  /// operations with the same addresses whenever as many tokens, one a sequence, all sampled, stand in a step
  /// over the same KV memory; then the device may record them, and replay them where it says so. Null
  /// promises nothing: what stands between the operations (a collective on the host) is not recorded.
  virtual step_course begin_step(step_inputs const& inputs, void const* owner);
  virtual void end_step() {}

  /// out[T][C] = rows of the table[R][C], dequantised. The table's first row is that of token `first`; a
  /// token whose row it does not hold gives zeros.
  virtual void embed(packed_weight const& table, token_id first, std::span<token_id const> tokens,
                     float* out) = 0;

  /// out[T][width] = x / sqrt(mean(x^2) + epsilon) * weight[width] (Zhang and Sennrich, 2019).
  virtual void rms_norm(float const* x, std::size_t tokens, packed_weight const& weight, float epsilon,
                        float* out) = 0;

  /// outs[i][T][R_i] = x[T][C] * weights[i]^T; all weights share x, so that a backend quantises it once.
  virtual void multiply(std::span<packed_weight const* const> weights, float const* x, std::size_t tokens,
                        std::span<float* const> outs) = 0;

  /// out[T][R] += x[T][C] * weight^T: the residual's addition fused.
  virtual void multiply_add(packed_weight const& weight, float const* x, std::size_t tokens, float* out) = 0;

  /// out[T][R] = silu(x * gate^T) * (x * up^T) (Shazeer, GLU Variants, 2020).
  virtual void gated_up(packed_weight const& gate, packed_weight const& up, float const* x,
                        std::size_t tokens, float* out) = 0;

  /// Rotates q[T][heads][head_dim] in place; rotates k[T][kv_heads][head_dim] and stores it with
  /// v[T][kv_heads][head_dim] at each token's position of its sequence.
  virtual void rotate_and_store(float* q, float const* k, float const* v,
                                std::span<sequence_span const> sequences, attention_shape const& shape,
                                rope_parameters const& rope, kv_memory& kv, std::uint32_t layer) = 0;

  /// out[T][heads][head_dim]: causal softmax attention over the stored K and V.
  virtual void attend(float const* q, std::span<sequence_span const> sequences, attention_shape const& shape,
                      kv_memory const& kv, std::uint32_t layer, float* out) = 0;

  /// out[i] = x[rows[i]], each `width` floats: picks the tokens that sample before the vocabulary matrix.
  virtual void gather(float const* x, std::size_t width, std::span<std::uint32_t const> rows, float* out) = 0;

  /// True if `draw` does something. The host's sampler serves where it does not, and for what draw_parameters
  /// cannot say.
  virtual bool draws() const noexcept { return false; }

  /// tokens[i] is drawn from logits[i][vocabulary] as rows[i] says, -1 where the row is no distribution (NaN,
  /// infinity). Waits, like `download`. The distribution is the host sampler's; which token a share picks is
  /// the device's own, the same in every run and batch. Precondition: draws(), vocabulary < 2^20.
  virtual void draw(float const* logits, std::size_t vocabulary, std::span<draw_parameters const> rows,
                    std::span<token_id> tokens);

  /// Zeroes KV blocks before they return to the free list.
  virtual void wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) = 0;
  virtual void wipe(float* memory, std::size_t count) = 0;

  /// Of the device's own memory; 0: it computes in the host's.
  virtual std::uint64_t device_bytes() const noexcept { return 0; }

  /// Empty where operations are done when they return: sums over ranks are the host's then.
  virtual device_stream stream() { return {}; }

  /// Erases what kernels keep between steps: quantised activations, thread scratch, worker stacks.
  virtual void scrub() = 0;

  /// Waits for all that was enqueued. Errors: backend_failed.
  virtual result<void> synchronize() = 0;
};

inline step_course backend::begin_step(step_inputs const&, void const*) { return step_course::compute; }
inline void backend::draw(float const*, std::size_t, std::span<draw_parameters const>, std::span<token_id>) {}

/// How the CPU backend runs. `instructions` lets tests pin what dispatch would choose.
enum class instruction_set : std::uint8_t { best, portable, avx2, avx512 };
struct cpu_options {
  unsigned threads = 0; ///< 0: the processors this process may use
  instruction_set instructions = instruction_set::best;
};

/// Errors: unsupported (an instruction set this machine lacks).
result<std::unique_ptr<backend>> make_cpu_backend(cpu_options const& options);

} // namespace mayfly::gpu
