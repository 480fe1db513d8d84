// Logits at every position, straight from the network: the engine itself only reports the best few of the
// tokens that it generates. Prompts go in chunks, as the engine's batcher would send them.
#include "gpu/model/model.hpp"
#include "ops/oracles/answers.hpp"
#include "ops/oracles/frames.hpp"

#include <numeric>

namespace mayfly::oracle {
namespace {

constexpr std::uint32_t chunk_tokens =
    48; // no multiple of the block length, so that chunks end inside blocks
constexpr std::uint32_t block_tokens = 16;

/// logits[T][vocabulary] of one sequence.
result<std::vector<float>> logits_of(gpu::model& network, gpu::backend& device,
                                     std::span<token_id const> tokens) {
  auto const vocabulary = std::size_t{network.parameters().vocabulary};
  auto const needed = static_cast<std::uint32_t>((tokens.size() + block_tokens - 1) / block_tokens);
  auto const shape = gpu::kv_shape_of(network.parameters(), needed, block_tokens);
  auto kv = device.create_kv_memory(shape);
  if (!kv) return kv.failure();
  std::vector<std::uint32_t> blocks(shape.blocks);
  std::iota(blocks.begin(), blocks.end(), 0U);
  std::vector<float> logits(tokens.size() * vocabulary);
  for (std::size_t start = 0; start < tokens.size(); start += chunk_tokens) {
    auto const count = static_cast<std::uint32_t>(std::min<std::size_t>(chunk_tokens, tokens.size() - start));
    std::vector<std::uint32_t> rows(count);
    std::iota(rows.begin(), rows.end(), 0U);
    gpu::sequence_span const span{0, count, static_cast<std::uint32_t>(start), blocks};
    auto const* computed = network.forward({tokens.subspan(start, count), {&span, 1}, rows}, **kv);
    device.download(computed, std::span(logits).subspan(start * vocabulary, count * vocabulary));
    if (auto done = device.synchronize(); !done) return done.failure();
  }
  return logits;
}

} // namespace

result<void> answer_logits(std::filesystem::path const& model) {
  auto file = gpu::gguf_file::open(model);
  if (!file) return file.failure();
  auto device = gpu::make_cpu_backend({});
  if (!device) return device.failure();
  auto network = gpu::load_model(*file, **device, {chunk_tokens, chunk_tokens});
  if (!network) return network.failure();
  while (auto asked = read_frame()) {
    auto const logits = logits_of(**network, **device, ids_of<token_id>(*asked));
    if (!logits) return logits.failure();
    write_frame(std::span<float const>(logits.value()));
  }
  return {};
}

} // namespace mayfly::oracle
