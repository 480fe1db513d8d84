#pragma once
// The backend of CUDA devices: operations are enqueued on one queue. Split over files by what changes
// together: cuda_backend.cpp (memory, weights, rows), products.cpp (weights times activations), steps.cpp
// (what a step takes to the device, recordings, attention, drawing).
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cpu/thread_pool.hpp"
#include "gpu/kernels/cuda/arena.hpp"
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/pack.hpp"
#include "gpu/kernels/cuda/recordings.hpp"
#include "gpu/kernels/cuda/staging.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace mayfly::gpu::cuda {

struct cuda_options {
  std::size_t region_bytes = std::size_t{64} << 20U; ///< that the arena takes from the device at once
  std::size_t expanded_bytes = std::size_t{128}
                               << 20U; ///< of quantised weights, expanded for a large product
  std::size_t library_bytes = std::size_t{32}
                              << 20U; ///< of workspace for cuBLASLt (its own advice for sm_90)
  unsigned pack_threads = 0;          ///< 0: the processors this process may use
};

/// Planes in device memory; weights are not content.
class device_matrix final : public packed_weight {
public:
  device_matrix(device_queue& queue, std::byte* memory, matrix_view const& view, float const* only_row,
                std::size_t bytes)
      : queue_(queue), memory_(memory), view_(view), only_row_(only_row), bytes_(bytes) {}
  ~device_matrix() override { queue_.free(memory_, memory_place::device); }
  std::uint64_t rows() const noexcept override { return view_.rows; }
  std::uint64_t columns() const noexcept override { return view_.columns; }
  std::size_t size_bytes() const noexcept override { return bytes_; }
  matrix_view const& view() const noexcept { return view_; }
  /// The floats of a matrix of one row, as norms want them; null for others.
  float const* only_row() const noexcept { return only_row_; }

private:
  device_queue& queue_;
  std::byte* memory_;
  matrix_view view_;
  float const* only_row_;
  std::size_t bytes_;
};

/// KV memory in the contract's layout: [block][layer][K, V][kv_head][position][dimension].
class device_kv final : public kv_memory {
public:
  device_kv(arena& memory, std::byte* data, kv_shape const& shape)
      : arena_(memory), data_(data), shape_(shape) {}
  ~device_kv() override { arena_.release(data_); }
  kv_shape const& shape() const noexcept { return shape_; }
  std::byte* block(std::uint32_t index) const noexcept { return data_ + index * shape_.block_bytes(); }
  kv_view view(std::uint32_t layer) const noexcept;

private:
  arena& arena_;
  std::byte* data_;
  kv_shape shape_;
};

class cuda_backend final : public backend {
public:
  cuda_backend(std::unique_ptr<device_queue> queue, cuda_options const& options);
  ~cuda_backend() override;

  literal name() const noexcept override { return queue_->name(); }
  result<std::unique_ptr<packed_weight>> prepare(tensor_view const& tensor, range rows,
                                                 range columns) override;
  /// f16: f32 would cost twice the memory and the mma kernel, for less than bf16 products round away.
  kv_precision kv_precision_for(bool) const noexcept override { return kv_precision::f16; }
  result<std::unique_ptr<kv_memory>> create_kv_memory(kv_shape const& shape) override;
  float* allocate(std::size_t count) override;
  void release(float* memory, std::size_t count) noexcept override;
  void upload(std::span<float const> from, float* to) override;
  void download(float const* from, std::span<float> to) override;
  step_course begin_step(step_inputs const& inputs, void const* owner) override;
  void end_step() override;
  void embed(packed_weight const& table, token_id first, std::span<token_id const> tokens,
             float* out) override;
  void rms_norm(float const* x, std::size_t tokens, packed_weight const& weight, float epsilon,
                float* out) override;
  void multiply(std::span<packed_weight const* const> weights, float const* x, std::size_t tokens,
                std::span<float* const> outs) override;
  void multiply_add(packed_weight const& weight, float const* x, std::size_t tokens, float* out) override;
  void gated_up(packed_weight const& gate, packed_weight const& up, float const* x, std::size_t tokens,
                float* out) override;
  void rotate_and_store(float* q, float const* k, float const* v, std::span<sequence_span const> sequences,
                        attention_shape const& shape, rope_parameters const& rope, kv_memory& kv,
                        std::uint32_t layer) override;
  void attend(float const* q, std::span<sequence_span const> sequences, attention_shape const& shape,
              kv_memory const& kv, std::uint32_t layer, float* out) override;
  void gather(float const* x, std::size_t width, std::span<std::uint32_t const> rows, float* out) override;
  bool draws() const noexcept override { return true; }
  void draw(float const* logits, std::size_t vocabulary, std::span<draw_parameters const> rows,
            std::span<token_id> tokens) override;
  std::uint64_t device_bytes() const noexcept override { return queue_->device_bytes(); }
  device_stream stream() override {
    return {[queue = queue_.get()] { return queue->native(); },
            [queue = queue_.get()] { return queue->is_idle(); }, [queue = queue_.get()] { queue->mark(); },
            [queue = queue_.get()] { return queue->marks_done(); }};
  }
  void wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) override;
  void wipe(float* memory, std::size_t count) override;
  void scrub() override;
  result<void> synchronize() override;

  /// All memory that may hold content, the device's and the pinned, for the tests that prove what is erased.
  std::vector<std::span<std::byte const>> content_memory() const;
  device_queue& queue() noexcept { return *queue_; }

private:
  /// One kind of rotation and its frequencies on the device; they are no content.
  struct known_rotation {
    rope_parameters parameters;
    std::vector<float> factors;
    std::byte* memory;
  };
  /// The step between begin_step and end_step.
  struct open_step {
    bool open = false;
    step_inputs inputs;
    step_view view;
    std::uint32_t splits = 1;
    std::uint32_t group = 1; ///< query heads a KV head that the tiles were cut for
    recorded_step* recording = nullptr;
  };

  /// What narrow_ holds: weights that share activations share their 16 bits, too.
  struct narrowed_rows {
    float const* x = nullptr;
    number_format format = number_format::bf16;
    std::size_t stride = 0;
    friend bool operator==(narrowed_rows const&, narrowed_rows const&) = default;
  };

  std::byte* upload_weight(std::span<std::byte const> host);
  void run_product(matrix_view const& matrix, float const* x, std::size_t tokens, float* out, bool adds);
  void run_dense(matrix_view const& matrix, float const* x, std::size_t tokens, float* out, bool adds);
  void send_product(dense_product product);
  void run_expanded(matrix_view const& matrix, std::byte const* narrowed, std::size_t tokens, float* out,
                    bool adds);
  std::byte* narrow_rows(float const* x, std::size_t tokens, std::size_t columns, number_format format,
                         std::size_t stride);
  rotation rotation_for(rope_parameters const& rope);
  step_view const* tables_for(step_inputs const& inputs);
  step_view const* send_tables(step_inputs const& inputs);
  std::uint32_t splits_for(std::span<sequence_span const> sequences, std::size_t tiles,
                           std::uint32_t kv_heads) const;
  std::size_t workspace_moves() const noexcept;
  void fail(literal what) noexcept { failure_ = {errc::backend_failed, what, 0}; }

  std::unique_ptr<device_queue> queue_; // first, so that it goes last
  cuda_options options_;
  arena arena_;
  staging staging_;
  std::unique_ptr<cpu::thread_pool> pool_; ///< for packing; once there is much to pack
  workspace tables_;
  workspace narrow_; ///< activations in 16 bits
  narrowed_rows narrowed_;
  workspace expanded_; ///< quantised weights as bf16
  workspace gates_;
  workspace library_;  ///< cuBLASLt's
  workspace partials_; ///< attention over parts of long sequences
  workspace draws_;
  std::deque<known_rotation> rotations_;
  recordings recordings_;
  open_step step_;
  step_view loose_; ///< tables of an operation outside of a step
  error failure_{errc::ok, "", 0};
};

/// What `prepare` and `create_kv_memory` hand out.
inline device_matrix const& of(packed_weight const& weight) noexcept {
  return static_cast<device_matrix const&>(weight);
}
inline device_kv& of(kv_memory& memory) noexcept { return static_cast<device_kv&>(memory); }
inline device_kv const& of(kv_memory const& memory) noexcept { return static_cast<device_kv const&>(memory); }

} // namespace mayfly::gpu::cuda
