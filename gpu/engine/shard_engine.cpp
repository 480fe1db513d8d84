#include "gpu/engine/load.hpp"
#include "gpu/group.hpp"

#include <algorithm>
#include <functional>

namespace mayfly::gpu {
namespace {

error malformed_plan(literal what) { return {errc::malformed, what, 0}; }

class loaded_shard final : public shard_engine {
public:
  explicit loaded_shard(loaded_model loaded)
      : group_(loaded.parts.part.group), limits_(loaded.limits), executor_(std::move(loaded.parts)) {}

  result<void> step(step_batch const& batch) override {
    if (auto const valid = check(batch); !valid) return valid;
    executor_.forward(batch);
    return settled();
  }

  result<void> wipe(std::span<std::uint32_t const> blocks, wipe_extent extent) override {
    if (auto const valid = check_blocks(blocks); !valid) return valid;
    executor_.wipe(blocks, extent);
    return settled();
  }

  result<void> forget() override {
    executor_.wipe_all_blocks();
    executor_.wipe({}, wipe_extent::everything);
    return executor_.synchronize_device();
  }

  engine_figures figures() const noexcept override {
    engine_figures figures;
    figures.weight_bytes = executor_.network().weight_bytes();
    figures.kv_bytes = executor_.shape().blocks * kv_block_bytes();
    figures.kv_blocks = executor_.shape().blocks;
    figures.kv_block_tokens = executor_.shape().block_tokens;
    figures.device_bytes = executor_.device_bytes();
    figures.model_fingerprint = executor_.fingerprint();
    figures.step_tokens = limits_.step.tokens;
    return figures;
  }
  std::size_t kv_block_bytes() const noexcept override { return executor_.shape().block_bytes(); }
  literal backend_name() const noexcept override { return executor_.device_name(); }

private:
  /// A device that fails leaves the others with sums that hold nothing of this rank: the group ends.
  result<void> settled() {
    auto const done = executor_.synchronize();
    if (!done) group_->abort();
    return done;
  }

  result<void> check_blocks(std::span<std::uint32_t const> blocks) const {
    auto const total = executor_.shape().blocks;
    bool const inside = std::ranges::all_of(blocks, [total](auto block) { return block < total; });
    return inside ? result<void>() : malformed_plan("a plan names a KV block that there is not");
  }

  result<void> check(step_batch const& batch) const {
    auto const vocabulary = static_cast<token_id>(executor_.network().parameters().vocabulary);
    if (batch.tokens.empty() || batch.tokens.size() > limits_.step.tokens ||
        batch.sampled.size() > limits_.step.sequences)
      return malformed_plan("a plan of another size than steps have");
    if (!std::ranges::all_of(batch.tokens, [&](token_id token) { return token >= 0 && token < vocabulary; }))
      return malformed_plan("a plan holds a token that the vocabulary does not");
    std::uint64_t next = 0;
    for (auto const& span : batch.sequences) {
      if (auto const valid = check_span(span, next, batch.tokens.size()); !valid) return valid;
      next += span.token_count;
    }
    if (next != batch.tokens.size()) return malformed_plan("a plan's sequences do not cover its tokens");
    if (std::ranges::adjacent_find(batch.sampled, std::greater_equal<>()) != batch.sampled.end())
      return malformed_plan("a plan's sampled tokens do not ascend");
    if (!batch.sampled.empty() && batch.sampled.back() >= batch.tokens.size())
      return malformed_plan("a plan samples beyond its tokens");
    return {};
  }

  result<void> check_span(sequence_span const& span, std::uint64_t next, std::size_t tokens) const {
    auto const end = std::uint64_t{span.first_position} + span.token_count;
    bool const fits = span.first_token == next && span.token_count != 0 &&
                      next + span.token_count <= tokens &&
                      end <= std::uint64_t{span.blocks.size()} * executor_.shape().block_tokens;
    if (!fits) return malformed_plan("a plan's sequence has no room");
    return check_blocks(span.blocks);
  }

  std::shared_ptr<seat> group_;
  engine_limits limits_;
  executor executor_;
};

} // namespace

result<std::unique_ptr<shard_engine>> shard_engine::load(engine_options const& options) {
  if (options.part.rank == 0) return error{errc::configuration, "rank 0 of a group runs an engine", 0};
  auto loaded = load_parts(options);
  if (!loaded) return loaded.failure();
  return make_shard_engine(std::move(*loaded));
}

std::unique_ptr<shard_engine> make_shard_engine(loaded_model loaded) {
  return std::make_unique<loaded_shard>(std::move(loaded));
}

} // namespace mayfly::gpu
