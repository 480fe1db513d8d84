#pragma once
// The backend of processors: every operation runs at once on the calling thread and its pool; nothing is
// queued. Split over files by what changes together: backend.cpp (memory, weights, small operations),
// products.cpp (weights times activations), attention.cpp.
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cpu/content_memory.hpp"
#include "gpu/kernels/cpu/kernel_table.hpp"
#include "gpu/kernels/cpu/packed_matrix.hpp"
#include "gpu/kernels/cpu/rope_table.hpp"
#include "gpu/kernels/cpu/thread_pool.hpp"
#include "gpu/kernels/cpu/weight_memory.hpp"

namespace mayfly::gpu::cpu {

class paged_kv;

class cpu_backend final : public backend {
public:
  cpu_backend(kernel_table const& kernels, unsigned threads);
  ~cpu_backend() override;

  literal name() const noexcept override { return kernels_.name; }
  result<std::unique_ptr<packed_weight>> prepare(tensor_view const& tensor, range rows,
                                                 range columns) override;
  result<std::unique_ptr<kv_memory>> create_kv_memory(kv_shape const& shape) override;
  float* allocate(std::size_t count) override;
  void release(float* memory, std::size_t count) noexcept override;
  void upload(std::span<float const> from, float* to) override;
  void download(float const* from, std::span<float> to) override;
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
  void wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) override;
  void wipe(float* memory, std::size_t count) override;
  void scrub() override;
  result<void> synchronize() override;

  /// The memory that `scrub` erases, for the tests that prove it. Valid until the next operation.
  std::vector<std::span<std::byte const>> scratch_areas() const;

private:
  /// What a product does with a group's 16 sums a token.
  enum class ending : std::uint8_t { store, add, gate };
  struct product {
    std::span<packed_weight const* const> weights; ///< gate: two, gate and up, and one out
    std::span<float* const> outs;
    float const* x = nullptr;
    std::size_t tokens = 0;
    ending end = ending::store;
    std::byte const* tiles = nullptr; ///< quantised activations, where a weight wants them
  };
  void run_product(product work);
  std::byte const* quantise(float const* x, std::size_t tokens, std::size_t columns);
  void run_groups(product const& work, std::size_t group, std::size_t first_token, std::size_t end_token);
  void run_gated_groups(product const& work, std::size_t group, std::size_t first_token,
                        std::size_t end_token);
  void multiply_tile(packed_view const& view, std::size_t group, product const& work, std::size_t first_token,
                     std::size_t count, float* out) const;

  std::byte* participant_scratch(std::size_t bytes_each);
  void fail(literal what) noexcept;

  kernel_table const& kernels_;
  thread_pool pool_;
  weight_memory weights_;
  rope_tables ropes_;
  content_memory tiles_;    ///< quantised activations
  content_memory threads_;  ///< every participant's share of scratch
  content_memory partials_; ///< attention over parts of long sequences
  error failure_{errc::ok, "", 0};
};

} // namespace mayfly::gpu::cpu
