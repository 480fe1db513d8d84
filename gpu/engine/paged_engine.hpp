#pragma once
// The engine behind gpu/engine.hpp: paged KV, continuous batching, any model on any backend.
#include "gpu/engine.hpp"
#include "gpu/engine/batcher.hpp"
#include "gpu/engine/executor.hpp"

#include <memory>
#include <vector>

namespace mayfly::gpu {

struct engine_limits {
  std::uint32_t context_tokens = 0; ///< of a sequence; cut down to what the KV cache holds
  batch_limits step;
  std::uint32_t queued = 0; ///< sequences admitted beyond step.sequences
};

class paged_engine final : public engine {
public:
  /// Preconditions: at least one KV block; the network's limits cover those of a step.
  paged_engine(engine_parts parts, engine_limits const& limits);
  ~paged_engine() override;

  result<sequence_handle> submit(sequence_request request) override;
  void grant(sequence_handle handle, std::uint32_t tokens) override;
  std::size_t cancel(sequence_handle handle) override;
  bool has_work() const noexcept override;
  std::span<sequence_event> step() override;
  void scrub() override;
  bool wiped() const noexcept override { return !kv_in_doubt_; }
  engine_figures figures() const noexcept override;
  std::uint32_t vocabulary_size() const noexcept override {
    return executor_.network().parameters().vocabulary;
  }
  std::uint32_t context_tokens() const noexcept override { return limits_.context_tokens; }
  literal backend_name() const noexcept override { return executor_.device_name(); }

private:
  result<void> check(sequence_request const& request) const;
  result<void> advance();
  float const* compute(std::span<planned const> plan);
  result<void> sample(std::span<planned const> plan, float const* logits);
  result<void> draw_on_device(std::span<planned const> plan, float const* logits);
  result<void> sample_row(sequence& subject, float const* logits, token_id on_device);
  result<void> retire();
  void fail_all(error const& failure);
  void forget_events();
  void forget_logits(wipe_extent extent = wipe_extent::logits);

  executor executor_;
  engine_limits limits_;
  block_pool pool_;
  batcher batcher_;
  sampler sampler_;
  sequence_table table_;
  sequence_handle next_handle_ = 1;
  engine_figures totals_;    ///< the counters since the start
  bool kv_in_doubt_ = false; ///< the backend failed: KV blocks may hold what was meant to be wiped

  // Of one step; capacity stays.
  ephemeral_tokens batch_tokens_;
  std::vector<sequence_span> spans_;
  std::vector<std::uint32_t> sampled_;
  ephemeral_buffer<float> logits_row_; ///< [vocabulary]
  ephemeral_buffer<draw_parameters> draws_;
  ephemeral_tokens drawn_; ///< of each sampled row; empty where the device draws nothing
  std::vector<sequence_event, ephemeral_allocator<sequence_event>> events_;
};

} // namespace mayfly::gpu
