#include "gpu/engine/paged_engine.hpp"
#include "gpu/formats/gguf.hpp"

#include <algorithm>
#include <utility>

namespace mayfly::gpu {
namespace {

constexpr std::size_t largest_default_kv_bytes = std::size_t{512} << 20U;

result<kv_shape> shape_kv(engine_options const& options, hyper_parameters const& p,
                          std::uint32_t context_tokens) {
  auto shape = kv_shape_of(p, 0, options.block_tokens);
  auto const block_bytes = shape.block_bytes();
  std::size_t blocks = options.kv_bytes / block_bytes;
  if (options.kv_bytes == 0) {
    std::size_t const two_contexts =
        std::size_t{2} * ((context_tokens + shape.block_tokens - 1) / shape.block_tokens);
    blocks = std::min(two_contexts, largest_default_kv_bytes / block_bytes);
  }
  if (blocks == 0)
    return error{errc::configuration, "kv_bytes is less than one block, which takes this many bytes",
                 static_cast<std::int64_t>(block_bytes)};
  shape.blocks = static_cast<std::uint32_t>(std::min<std::size_t>(blocks, UINT32_MAX));
  return shape;
}

result<void> check(engine_options const& options) {
  if (options.step_tokens == 0 || options.step_tokens > 1U << 16U)
    return error{errc::configuration, "step_tokens is out of range", options.step_tokens};
  if (options.prefill_tokens_beside_decode == 0)
    return error{errc::configuration, "prefill_tokens_beside_decode is 0", 0};
  if (options.max_sequences == 0) return error{errc::configuration, "max_sequences is 0", 0};
  if (options.block_tokens == 0 || options.block_tokens > 1U << 12U)
    return error{errc::configuration, "block_tokens is out of range", options.block_tokens};
  return {};
}

} // namespace

result<std::unique_ptr<engine>> engine::load(engine_options const& options) {
  if (auto const valid = check(options); !valid) return valid.failure();
  auto file = gguf_file::open(options.model);
  if (!file) return file.failure();
  auto device = make_cpu_backend({options.threads, instruction_set::best});
  if (!device) return device.failure();
  auto const sequences = std::min(options.max_sequences, options.step_tokens);
  auto network = load_model(*file, **device, {options.step_tokens, sequences});
  if (!network) return network.failure();

  auto const& p = (*network)->parameters();
  if (options.context_tokens > p.context_tokens)
    return error{errc::configuration, "context_tokens is beyond the model's own context", p.context_tokens};
  auto const context = options.context_tokens == 0 ? p.context_tokens : options.context_tokens;
  auto const shape = shape_kv(options, p, context);
  if (!shape) return shape.failure();
  auto kv = (*device)->create_kv_memory(*shape);
  if (!kv) return kv.failure();
  engine_parts parts{std::move(*device), std::move(*network), std::move(*kv), *shape};
  batch_limits const step{sequences, options.step_tokens, options.prefill_tokens_beside_decode};
  engine_limits const limits{context, step, options.max_queued};
  return std::unique_ptr<engine>(std::make_unique<paged_engine>(std::move(parts), limits));
}

} // namespace mayfly::gpu
