#pragma once
// The CPU backend with its memory in sight: which activations live where, and what is in them.
#include "gpu/kernels/backend.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace mayfly::gpu::testing {

class recording_backend final : public backend {
public:
  explicit recording_backend(std::unique_ptr<backend> device) : device_(std::move(device)) {}

  /// Floats other than zero in all activations.
  std::size_t nonzero_activations() const {
    std::size_t count = 0;
    for (auto const& [memory, size] : activations_)
      count += static_cast<std::size_t>(
          std::count_if(memory, memory + size, [](float each) { return each != 0; }));
    return count;
  }

  literal name() const noexcept override { return device_->name(); }
  result<std::unique_ptr<packed_weight>> prepare(tensor_view const& tensor, range rows,
                                                 range columns) override {
    return device_->prepare(tensor, rows, columns);
  }
  result<std::unique_ptr<kv_memory>> create_kv_memory(kv_shape const& shape) override {
    return device_->create_kv_memory(shape);
  }
  float* allocate(std::size_t count) override {
    auto* const memory = device_->allocate(count);
    activations_[memory] = count;
    return memory;
  }
  void release(float* memory, std::size_t count) noexcept override {
    activations_.erase(memory);
    device_->release(memory, count);
  }
  void upload(std::span<float const> from, float* to) override { device_->upload(from, to); }
  void download(float const* from, std::span<float> to) override { device_->download(from, to); }
  void embed(packed_weight const& table, token_id first, std::span<token_id const> tokens,
             float* out) override {
    device_->embed(table, first, tokens, out);
  }
  void rms_norm(float const* x, std::size_t tokens, packed_weight const& weight, float epsilon,
                float* out) override {
    device_->rms_norm(x, tokens, weight, epsilon, out);
  }
  void multiply(std::span<packed_weight const* const> weights, float const* x, std::size_t tokens,
                std::span<float* const> outs) override {
    device_->multiply(weights, x, tokens, outs);
  }
  void multiply_add(packed_weight const& weight, float const* x, std::size_t tokens, float* out) override {
    device_->multiply_add(weight, x, tokens, out);
  }
  void gated_up(packed_weight const& gate, packed_weight const& up, float const* x, std::size_t tokens,
                float* out) override {
    device_->gated_up(gate, up, x, tokens, out);
  }
  void rotate_and_store(float* q, float const* k, float const* v, std::span<sequence_span const> sequences,
                        attention_shape const& shape, rope_parameters const& rope, kv_memory& kv,
                        std::uint32_t layer) override {
    device_->rotate_and_store(q, k, v, sequences, shape, rope, kv, layer);
  }
  void attend(float const* q, std::span<sequence_span const> sequences, attention_shape const& shape,
              kv_memory const& kv, std::uint32_t layer, float* out) override {
    device_->attend(q, sequences, shape, kv, layer, out);
  }
  void gather(float const* x, std::size_t width, std::span<std::uint32_t const> rows, float* out) override {
    device_->gather(x, width, rows, out);
  }
  void wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) override {
    device_->wipe_blocks(kv, blocks);
  }
  void wipe(float* memory, std::size_t count) override { device_->wipe(memory, count); }
  void scrub() override { device_->scrub(); }
  result<void> synchronize() override { return device_->synchronize(); }

private:
  std::unique_ptr<backend> device_;
  std::map<float*, std::size_t> activations_;
};

} // namespace mayfly::gpu::testing
