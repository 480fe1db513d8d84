#pragma once
// A device and a network that compute nothing but notice everything: K and V of a token are its id, logits
// are a hash of all tokens that attention would see, read through the block table. A wrong block, a wrong
// position or a block that was not wiped changes the output or counts as a violation.
#include "gpu/engine/paged_engine.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

namespace mayfly::gpu::testing {

class fake_kv final : public kv_memory {
public:
  explicit fake_kv(kv_shape const& shape)
      : block_tokens(shape.block_tokens), cells(std::size_t{shape.blocks} * shape.block_tokens) {}

  std::uint32_t& cell(std::uint32_t block, std::uint32_t position) {
    return cells.at(std::size_t{block} * block_tokens + position);
  }
  std::size_t nonzero() const {
    std::size_t count = 0;
    for (auto const each : cells) count += each != 0 ? 1 : 0;
    return count;
  }

  std::uint32_t block_tokens;
  std::vector<std::uint32_t> cells; ///< token + 1; 0: wiped
};

class fake_backend final : public backend {
public:
  int failures_to_come = 0; ///< of synchronize, from now on
  bool loses_wipes = false; ///< while it fails
  std::size_t live_floats = 0;

  literal name() const noexcept override { return "fake"; }
  result<std::unique_ptr<packed_weight>> prepare(tensor_view const&, range, range) override {
    return error{errc::unsupported, "the fake device has no weights", 0};
  }
  result<std::unique_ptr<kv_memory>> create_kv_memory(kv_shape const& shape) override {
    return std::unique_ptr<kv_memory>(std::make_unique<fake_kv>(shape));
  }
  float* allocate(std::size_t count) override {
    live_floats += count;
    return new float[count]();
  }
  void release(float* memory, std::size_t count) noexcept override {
    live_floats -= count;
    delete[] memory;
  }
  void upload(std::span<float const> from, float* to) override {
    std::memcpy(to, from.data(), from.size_bytes());
  }
  void download(float const* from, std::span<float> to) override {
    std::memcpy(to.data(), from, to.size_bytes());
  }
  void wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) override {
    if (failures_to_come > 0 && loses_wipes) return;
    auto& memory = dynamic_cast<fake_kv&>(kv);
    for (auto const block : blocks)
      for (std::uint32_t position = 0; position < memory.block_tokens; ++position)
        memory.cell(block, position) = 0;
  }
  void wipe(float* memory, std::size_t count) override { mayfly::wipe(memory, count * sizeof(float)); }
  void scrub() override { ++scrubs; }
  result<void> synchronize() override {
    if (failures_to_come == 0) return {};
    --failures_to_come;
    return error{errc::backend_failed, "the fake device fails on demand", 0};
  }
  int scrubs = 0;

  void embed(packed_weight const&, token_id, std::span<token_id const>, float*) override { refuse(); }
  void rms_norm(float const*, std::size_t, packed_weight const&, float, float*) override { refuse(); }
  void multiply(std::span<packed_weight const* const>, float const*, std::size_t,
                std::span<float* const>) override {
    refuse();
  }
  void multiply_add(packed_weight const&, float const*, std::size_t, float*) override { refuse(); }
  void gated_up(packed_weight const&, packed_weight const&, float const*, std::size_t, float*) override {
    refuse();
  }
  void rotate_and_store(float*, float const*, float const*, std::span<sequence_span const>,
                        attention_shape const&, rope_parameters const&, kv_memory&, std::uint32_t) override {
    refuse();
  }
  void attend(float const*, std::span<sequence_span const>, attention_shape const&, kv_memory const&,
              std::uint32_t, float*) override {
    refuse();
  }
  void gather(float const*, std::size_t, std::span<std::uint32_t const>, float*) override { refuse(); }

private:
  static void refuse() { throw std::logic_error("the fake device has no kernels"); }
};

constexpr std::uint32_t fake_vocabulary = 50;
constexpr token_id poison_token = 49; ///< logits after it are NaN

class fake_model final : public model {
public:
  fake_model(fake_backend& device, model_limits limits)
      : device_(device), limits_(limits), count_(std::size_t{limits.sampled_rows} * fake_vocabulary),
        logits_(device.allocate(count_)) {
    parameters_.vocabulary = fake_vocabulary;
    parameters_.layers = parameters_.heads = parameters_.kv_heads = parameters_.head_dim = 1;
  }
  ~fake_model() override { device_.release(logits_, count_); }

  hyper_parameters const& parameters() const noexcept override { return parameters_; }
  std::uint32_t kv_heads() const noexcept override { return parameters().kv_heads; }
  std::size_t weight_bytes() const noexcept override { return 0; }

  float const* forward(step_batch const& batch, kv_memory& kv) override {
    auto& memory = dynamic_cast<fake_kv&>(kv);
    largest_step = std::max(largest_step, batch.tokens.size());
    largest_sampled = std::max(largest_sampled, batch.sampled.size());
    if (batch.tokens.size() > limits_.step_tokens || batch.sampled.size() > limits_.sampled_rows)
      ++violations;
    std::size_t row = 0;
    for (auto const& span : batch.sequences) {
      store(batch, span, memory);
      auto const last = span.first_token + span.token_count - 1;
      if (row < batch.sampled.size() && batch.sampled[row] == last)
        write_logits(hash_of(span, memory), batch.tokens[last], row++);
    }
    if (row != batch.sampled.size()) ++violations;
    return logits_;
  }

  void wipe_logits() override { device_.wipe(logits_, count_); }
  void wipe_activations() override { wipe_logits(); }
  std::span<float const> logits() const { return {logits_, count_}; }

  std::size_t violations = 0;
  std::size_t largest_step = 0;
  std::size_t largest_sampled = 0;

private:
  void store(step_batch const& batch, sequence_span const& span, fake_kv& memory) {
    for (std::uint32_t index = 0; index < span.token_count; ++index) {
      auto const position = span.first_position + index;
      auto& cell = memory.cell(span.blocks[position / memory.block_tokens], position % memory.block_tokens);
      if (cell != 0) ++violations;
      cell = static_cast<std::uint32_t>(batch.tokens[span.first_token + index]) + 1;
    }
  }
  std::uint64_t hash_of(sequence_span const& span, fake_kv& memory) {
    std::uint64_t hash = 1;
    for (std::uint32_t position = 0; position < span.first_position + span.token_count; ++position) {
      auto const cell =
          memory.cell(span.blocks[position / memory.block_tokens], position % memory.block_tokens);
      if (cell == 0) ++violations;
      hash = hash * 6364136223846793005U + cell + 1442695040888963407U;
    }
    return hash;
  }
  void write_logits(std::uint64_t hash, token_id last, std::size_t row) {
    for (std::uint32_t token = 0; token < fake_vocabulary; ++token) {
      auto const bits = (hash ^ (token * 0x9E3779B97F4A7C15U)) * 0xBF58476D1CE4E5B9U;
      // Token 49 is never likely: it only comes from prompts.
      auto const logit = token == 49 ? -50.0F : static_cast<float>(bits >> 40U) / float{1 << 22};
      logits_[row * fake_vocabulary + token] =
          last == poison_token ? std::numeric_limits<float>::quiet_NaN() : logit;
    }
  }

  fake_backend& device_;
  model_limits limits_;
  std::size_t count_;
  float* logits_;
  hyper_parameters parameters_;
};

struct rig_options {
  std::uint32_t blocks = 64;
  std::uint32_t block_tokens = 4;
  std::uint32_t context_tokens = 64;
  std::uint32_t sequences = 8;
  std::uint32_t step_tokens = 16;
  std::uint32_t queued = 64;
};

/// An engine on a fake device, and the parts of it that tests look into.
struct rig {
  explicit rig(rig_options const& options = {}) {
    auto owned_device = std::make_unique<fake_backend>();
    device = owned_device.get();
    auto owned_network =
        std::make_unique<fake_model>(*device, model_limits{options.step_tokens, options.sequences});
    network = owned_network.get();
    kv_shape const shape{options.blocks, options.block_tokens, 1, 1, 1};
    auto owned_kv = std::make_unique<fake_kv>(shape);
    kv = owned_kv.get();
    block_bytes = shape.block_bytes();
    engine_parts parts{std::move(owned_device), std::move(owned_network), std::move(owned_kv), shape};
    engine_limits const limits{
        options.context_tokens, {options.sequences, options.step_tokens}, options.queued};
    subject = std::make_unique<paged_engine>(std::move(parts), limits);
  }

  bool all_blocks_free_and_zero() const {
    auto const figures = subject->figures();
    return figures.kv_blocks_free == figures.kv_blocks && kv->nonzero() == 0;
  }
  bool logits_are_zero() const {
    for (auto const logit : network->logits())
      if (logit != 0) return false;
    return true;
  }

  fake_backend* device = nullptr;
  fake_model* network = nullptr;
  fake_kv* kv = nullptr;
  std::size_t block_bytes = 0;
  std::unique_ptr<paged_engine> subject;
};

} // namespace mayfly::gpu::testing
