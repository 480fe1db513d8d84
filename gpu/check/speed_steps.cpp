// What stands between the products of a step: attention, norm, rotation, gate, drawing; and the wiping of KV.
#include "gpu/check/speed.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace mayfly::gpu::check {
namespace {

/// The attention of an 8B llama; a small one over the emulation.
struct subject {
  attention_shape shape;
  std::uint32_t layers;
  explicit subject(bench const& on)
      : shape(on.size(attention_shape{32, 8, 128, 0.08838835F}, attention_shape{4, 2, 64, 0.125F})),
        layers(on.size(32U, 2U)) {}
  std::size_t query_floats(std::size_t tokens) const { return tokens * shape.heads * shape.head_dim; }
  std::size_t key_floats(std::size_t tokens) const { return tokens * shape.kv_heads * shape.head_dim; }
  kv_shape memory(std::uint32_t blocks) const {
    return {blocks, 16, layers, shape.kv_heads, shape.head_dim, kv_precision::f16};
  }
};

/// KV memory full of numbers.
std::unique_ptr<kv_memory> filled_kv(bench& on, kv_shape const& shape) {
  auto kv = made_kv(on.device, shape);
  auto const bytes = std::size_t{shape.blocks} * shape.block_bytes();
  auto* const to = cuda::of(*kv).block(0);
  for (std::size_t at = 0; at < bytes; at += on.random_bytes)
    on.queue.copy(to + at, on.random, std::min(on.random_bytes, bytes - at));
  must(on.queue.wait(), "filling KV memory");
  return kv;
}

/// Runs attention over an open step, layer after layer, so that K and V come from memory.
double attention_seconds(bench& on, subject const& of, kv_memory& kv, sequences const& batch) {
  floats const q(on.device, std::vector<float>(of.query_floats(batch.tokens()), 0.25F));
  floats const out(on.device, of.query_floats(batch.tokens()));
  step_inputs const inputs{{}, batch.spans(), {}, of.shape, &kv};
  static_cast<void>(on.device.begin_step(inputs, nullptr));
  auto const seconds = seconds_of(on, of.layers, [&](unsigned layer) {
    on.device.attend(q.get(), batch.spans(), of.shape, kv, layer, out.get());
  });
  on.device.end_step();
  return seconds;
}

struct load {
  std::uint32_t sequences;
  std::uint32_t positions;
};

void measure_decode_attention(bench& on, subject const& of) {
  std::vector<load> const full{{1, 1024}, {1, 8192}, {1, 131072}, {8, 1024}, {8, 8192}, {32, 4096}};
  for (auto const& [count, positions] : on.size(full, {{2, 100}})) {
    sequences const batch(count, 1, positions - 1, 16);
    auto const kv = filled_kv(on, of.memory(batch.blocks()));
    auto const bytes = 2.0 * 2.0 * static_cast<double>(of.key_floats(positions)) * count;
    tell_share(on, {"decode attention, " + std::to_string(count) + " x " + std::to_string(positions),
                    attention_seconds(on, of, *kv, batch), bytes, on.measured.read, "read",
                    positions >= 8192 ? std::optional(0.75) : std::nullopt});
  }
}

void measure_prefill_attention(bench& on, subject const& of) {
  for (std::uint32_t const tokens : on.size(std::vector<std::uint32_t>{512, 2048, 8192}, {40})) {
    sequences const batch(1, tokens, 0, 16);
    auto const kv = filled_kv(on, of.memory(batch.blocks()));
    auto const pairs = 0.5 * static_cast<double>(tokens) * (static_cast<double>(tokens) + 1);
    auto const operations = 4.0 * of.shape.heads * of.shape.head_dim * pairs;
    tell_share(on, {"prefill attention, " + std::to_string(tokens) + " tokens",
                    attention_seconds(on, of, *kv, batch),
                    operations,
                    on.measured.products,
                    "matrix peak",
                    {}});
  }
}

void measure_rotation(bench& on, subject const& of) {
  for (std::uint32_t const tokens : on.size(std::vector<std::uint32_t>{1, 2048}, {5})) {
    sequences const batch(1, tokens, 0, 16);
    auto const kv = made_kv(on.device, of.memory(batch.blocks()));
    floats const q(on.device, std::vector<float>(of.query_floats(tokens), 0.25F));
    floats const k(on.device, std::vector<float>(of.key_floats(tokens), 0.25F));
    rope_parameters const rope{500000.0F, 1.0F, of.shape.head_dim, true, {}};
    static_cast<void>(on.device.begin_step({{}, batch.spans(), {}, of.shape, kv.get()}, nullptr));
    auto const seconds = seconds_of(on, of.layers, [&](unsigned layer) {
      on.device.rotate_and_store(q.get(), k.get(), k.get(), batch.spans(), of.shape, rope, *kv, layer);
    });
    on.device.end_step();
    auto const bytes = 8.0 * static_cast<double>(of.query_floats(tokens)) +
                       12.0 * static_cast<double>(of.key_floats(tokens));
    auto const what = "rotation and KV append, " + std::to_string(tokens) + " tokens";
    if (tokens == 1)
      tell_time(on, what, seconds);
    else
      tell_share(on, {what, seconds, bytes, on.measured.copy, "copy", 0.8});
  }
}

/// Two regions in turn, each beyond the second-level cache.
void measure_rows(bench& on) {
  std::size_t const width = on.size(4096U, 256U);
  std::size_t const hidden = on.size(14336U, 512U);
  std::vector<float> const ones(width, 1.0F);
  auto const norm = prepared(on.device, {tensor_type::f32, 1, width, std::as_bytes(std::span(ones))});
  for (std::size_t const tokens : on.size(std::vector<std::size_t>{1, 8192}, {5})) {
    floats const x(on.device, std::vector<float>(tokens * width, 0.5F));
    floats const out(on.device, tokens * width);
    auto const seconds = seconds_of(on, on.size(16U, 1U), [&](unsigned) {
      on.device.rms_norm(x.get(), tokens, *norm, 1e-5F, out.get());
    });
    auto const what = "norm, " + std::to_string(tokens) + " tokens";
    if (tokens == 1)
      tell_time(on, what, seconds);
    else
      tell_share(on,
                 {what, seconds, 8.0 * static_cast<double>(tokens * width), on.measured.copy, "copy", 0.8});
  }
  std::size_t const tokens = on.size(2048U, 5U);
  floats const gates(on.device, std::vector<float>(tokens * hidden, 0.5F));
  floats const up(on.device, std::vector<float>(tokens * hidden, 0.5F));
  auto const seconds = seconds_of(
      on, on.size(8U, 1U), [&](unsigned) { cuda::gate(on.queue, gates.get(), up.get(), tokens * hidden); });
  tell_share(on, {"gate, " + std::to_string(tokens) + " tokens", seconds,
                  12.0 * static_cast<double>(tokens * hidden), on.measured.copy, "copy", 0.8});
}

void measure_drawing(bench& on) {
  std::size_t const vocabulary = on.size(128256U, 301U);
  for (std::size_t const rows : {1U, 8U, 64U}) {
    std::vector<float> logits(rows * vocabulary);
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] = static_cast<float>(i * 2654435761U % 65536U) / 8192;
    floats const on_device(on.device, logits);
    std::vector<token_id> tokens(rows);
    struct drawing {
      char const* name;
      draw_parameters asked;
    };
    for (auto const& [name, asked] :
         {drawing{"greedy", {0, 1, 0, 0, 0.4}}, drawing{"top-k 40", {1, 1, 40, 0, 0.4}},
          drawing{"top-p 0.9", {1, 0.9F, 0, 0, 0.4}},
          drawing{"top-k 40 and top-p 0.9", {1, 0.9F, 40, 0, 0.4}}}) {
      std::vector<draw_parameters> const parameters(rows, asked);
      std::vector<double> all; // with the copying and the waiting that a step pays for, too
      for (int round = 0; round < on.size(21, 1); ++round) {
        auto const start = std::chrono::steady_clock::now();
        on.device.draw(on_device.get(), vocabulary, parameters, tokens);
        must(on.device.synchronize(), "drawing");
        all.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
      std::sort(all.begin(), all.end());
      tell_time(on,
                std::string("draw ") + name + " of " + std::to_string(vocabulary) + ", " +
                    std::to_string(rows) + " rows, waited for, a row",
                all[all.size() / 2] / static_cast<double>(rows), 30);
    }
  }
}

/// The KV of 8,192 tokens, as blocks that neighbour each other and as blocks that do not.
void measure_wipe(bench& on, subject const& of) {
  std::uint32_t const blocks = on.size(512U, 4U);
  auto const shape = of.memory(blocks * 2);
  auto const kv = filled_kv(on, shape);
  for (std::uint32_t const apart : {1U, 2U}) {
    std::vector<std::uint32_t> list(blocks);
    for (std::uint32_t i = 0; i < blocks; ++i) list[i] = i * apart;
    std::vector<double> all;
    for (int round = 0; round < on.size(9, 1); ++round) {
      auto const start = std::chrono::steady_clock::now();
      on.device.wipe_blocks(*kv, list);
      must(on.device.synchronize(), "wiping");
      all.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(all.begin(), all.end());
    tell_time(on,
              "wipe " + std::to_string(blocks * 16) + " tokens' KV, " +
                  (apart == 1 ? "neighbouring blocks" : "scattered blocks"),
              all[all.size() / 2], 1000);
  }
}

} // namespace

void measure_steps(bench& on) {
  subject const llama(on);
  measure_decode_attention(on, llama);
  measure_prefill_attention(on, llama);
  measure_rotation(on, llama);
  measure_rows(on);
  measure_drawing(on);
  measure_wipe(on, llama);
}

} // namespace mayfly::gpu::check
