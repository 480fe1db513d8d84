#include "gpu/engine/load.hpp"

#include "gpu/collective/nccl/library.hpp"
#include "gpu/formats/gguf.hpp"
#include "gpu/kernels/devices.hpp"

#include <algorithm>
#include <utility>

namespace mayfly::gpu {
namespace {

/// Half of it is the largest piece of a sum on a device.
constexpr std::size_t scrubbing_floats = std::size_t{2} << 20U;
constexpr std::size_t largest_default_kv_bytes = std::size_t{512} << 20U;

/// The same on every rank of a group: they share the block tables.
result<std::uint32_t> count_blocks(engine_options const& options, hyper_parameters const& p,
                                   std::uint32_t context_tokens, kv_precision precision) {
  auto shape = kv_shape_of(p, 0, options.block_tokens);
  shape.precision = precision;
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
  return static_cast<std::uint32_t>(std::min<std::size_t>(blocks, UINT32_MAX));
}

/// FNV-1a (Fowler, Noll, Vo) over names, types and shapes: tells files apart by mistake, not by malice.
std::uint64_t fingerprint_of(gguf_file const& file) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  auto const mix = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3U; };
  for (auto const name : file.tensor_names()) {
    for (char const each : name) mix(static_cast<unsigned char>(each));
    auto const tensor = *file.tensor(name);
    mix(static_cast<std::uint64_t>(tensor.type));
    mix(tensor.rows);
    mix(tensor.columns);
  }
  mix(file.size_bytes());
  return hash;
}

result<void> check(engine_options const& options) {
  if (options.step_tokens == 0 || options.step_tokens > 1U << 16U)
    return error{errc::configuration, "step_tokens is out of range", options.step_tokens};
  if (options.prefill_tokens_beside_decode == 0)
    return error{errc::configuration, "prefill_tokens_beside_decode is 0", 0};
  if (options.part.rank >= options.part.ranks || (options.part.ranks > 1) != (options.part.group != nullptr))
    return error{errc::configuration, "no rank of this group", options.part.rank};
  if (options.max_sequences == 0) return error{errc::configuration, "max_sequences is 0", 0};
  if (options.block_tokens == 0 || options.block_tokens > 1U << 12U)
    return error{errc::configuration, "block_tokens is out of range", options.block_tokens};
  return {};
}

/// A device, and how its ranks sum.
struct rank_device {
  device_choice choice;
  nccl::functions api{};
};

/// Ranks on CUDA devices sum by NCCL: without it `any` means processors.
result<rank_device> device_for(engine_options const& options) {
  rank_device device{options.device};
  if (options.part.ranks == 1 || device.choice.kind == device_kind::cpu) return device;
  auto const& file = device.choice.nccl;
  auto const api = file.empty() ? nccl::load() : nccl::load(file.c_str());
  if (api) device.api = *api;
  if (!api && device.choice.kind == device_kind::cuda) return api.failure();
  if (!api) device.choice.kind = device_kind::cpu;
  return device;
}

/// Tells a rank's seat of a device that sums over ranks itself.
void seat_device(engine_parts& parts, nccl::functions const& api) {
  auto stream = parts.part.group ? parts.device->stream() : device_stream{};
  if (!stream.is_idle) return;
  parts.zeros = device_buffer(*parts.device, 1, scrubbing_floats);
  parts.part.group->compute_on(std::move(stream), {parts.zeros.write(0), scrubbing_floats}, api);
}

} // namespace

result<loaded_model> load_parts(engine_options const& options) {
  if (auto const valid = check(options); !valid) return valid.failure();
  auto file = gguf_file::open(options.model);
  if (!file) return file.failure();
  auto const choice = device_for(options);
  if (!choice) return choice.failure();
  auto device = make_device(choice->choice, {options.threads, instruction_set::best});
  if (!device) return device.failure();
  auto const sequences = std::min(options.max_sequences, options.step_tokens);
  auto const& part = options.part;
  auto network = load_model(*file, **device, {options.step_tokens, sequences},
                            {part.rank, part.ranks, part.group.get()});
  if (!network) return network.failure();

  auto const& p = (*network)->parameters();
  if (options.context_tokens > p.context_tokens)
    return error{errc::configuration, "context_tokens is beyond the model's own context", p.context_tokens};
  auto const context = options.context_tokens == 0 ? p.context_tokens : options.context_tokens;
  auto const precision = (*device)->kv_precision_for(p.float_weights);
  auto const blocks = count_blocks(options, p, context, precision);
  if (!blocks) return blocks.failure();
  auto shape = kv_shape_of(p, *blocks, options.block_tokens, (*network)->kv_heads());
  shape.precision = precision;
  auto kv = (*device)->create_kv_memory(shape);
  if (!kv) return kv.failure();
  engine_parts parts{std::move(*device),    std::move(*network), std::move(*kv), shape, part,
                     fingerprint_of(**file)};
  seat_device(parts, choice->api);
  batch_limits const step{sequences, options.step_tokens, options.prefill_tokens_beside_decode};
  return loaded_model{std::move(parts), {context, step, options.max_queued}};
}

result<std::unique_ptr<engine>> engine::load(engine_options const& options) {
  if (options.part.rank != 0)
    return error{errc::configuration, "this rank of a group runs a shard_engine", options.part.rank};
  auto loaded = load_parts(options);
  if (!loaded) return loaded.failure();
  return std::unique_ptr<engine>(std::make_unique<paged_engine>(std::move(loaded->parts), loaded->limits));
}

} // namespace mayfly::gpu
