#include "gpu/model/llama.hpp"

#include "gpu/formats/block_layout.hpp"
#include "gpu/model/device_buffer.hpp"
#include "gpu/model/weights.hpp"

#include <array>
#include <cassert>
#include <cmath>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace mayfly::gpu {
namespace {

// W width, F hidden, V vocabulary, Q heads * head_dim, K kv_heads * head_dim.
struct llama_layer {
  weight attention_norm;    // [1][W]
  weight query;             // [Q][W]
  weight key;               // [K][W]
  weight value;             // [K][W]
  weight attention_output;  // [W][Q]
  weight feed_forward_norm; // [1][W]
  weight gate;              // [F][W]
  weight up;                // [F][W]
  weight down;              // [W][F]
};

struct llama_weights {
  weight embedding; // [V][W]
  std::vector<llama_layer> layers;
  weight output_norm;              // [1][W]
  weight output;                   // [V][W]; null where the embedding serves for both
  std::vector<float> rope_factors; // [rope_dims / 2] or empty
  std::size_t bytes = 0;

  packed_weight const& vocabulary_matrix() const { return output ? *output : *embedding; }
};

range scaled(range of, std::uint64_t by) { return {of.begin * by, of.end * by}; }

llama_layer load_layer(weight_loader& loader, hyper_parameters const& p, shard_plan const& own,
                       std::uint32_t index) {
  auto const name = [index](char const* part) { return "blk." + std::to_string(index) + "." + part; };
  std::uint64_t const q = std::uint64_t{p.heads} * p.head_dim;
  std::uint64_t const k = std::uint64_t{p.kv_heads} * p.head_dim;
  for (auto const* bias : {"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias", "ffn_gate.bias",
                           "ffn_up.bias", "ffn_down.bias"})
    loader.refuse(name(bias), "a llama file with biases");
  range const width{0, p.width};
  auto const heads = scaled(own.heads, p.head_dim);
  auto const kv_heads = scaled(own.kv_heads, p.head_dim);
  llama_layer layer;
  layer.attention_norm = loader.load(name("attn_norm.weight"), 1, p.width);
  layer.query = loader.load(name("attn_q.weight"), q, p.width, heads, width);
  layer.key = loader.load(name("attn_k.weight"), k, p.width, kv_heads, width);
  layer.value = loader.load(name("attn_v.weight"), k, p.width, kv_heads, width);
  layer.attention_output = loader.load(name("attn_output.weight"), p.width, q, width, heads);
  layer.feed_forward_norm = loader.load(name("ffn_norm.weight"), 1, p.width);
  layer.gate = loader.load(name("ffn_gate.weight"), p.hidden, p.width, own.hidden, width);
  layer.up = loader.load(name("ffn_up.weight"), p.hidden, p.width, own.hidden, width);
  layer.down = loader.load(name("ffn_down.weight"), p.width, p.hidden, width, own.hidden);
  return layer;
}

result<llama_weights> load_weights(gguf_file const& file, backend& device, hyper_parameters const& p,
                                   shard_plan const& own) {
  weight_loader loader(file, device);
  llama_weights loaded;
  range const width{0, p.width};
  loaded.embedding = loader.load("token_embd.weight", p.vocabulary, p.width, own.vocabulary, width);
  for (std::uint32_t index = 0; index < p.layers && loader.outcome(); ++index)
    loaded.layers.push_back(load_layer(loader, p, own, index));
  loaded.output_norm = loader.load("output_norm.weight", 1, p.width);
  if (loader.has("output.weight"))
    loaded.output = loader.load("output.weight", p.vocabulary, p.width, own.vocabulary, width);
  loaded.rope_factors = loader.optional_floats("rope_freqs.weight", p.rope_dims / 2);
  loaded.bytes = loader.loaded_bytes();
  if (!loader.outcome()) return loader.outcome().failure();
  return loaded;
}

class llama final : public model {
public:
  llama(std::shared_ptr<gguf_file const> file, backend& device, hyper_parameters const& p,
        llama_weights weights, model_limits limits, shard part, shard_plan const& own)
      : file_(std::move(file)), device_(device), p_(p), part_(part), own_(own), weights_(std::move(weights)),
        limits_(limits), widths_(vocabulary_widths(p.vocabulary, part.ranks)),
        attention_{static_cast<std::uint32_t>(own.heads.size()),
                   static_cast<std::uint32_t>(own.kv_heads.size()), p.head_dim,
                   1.0F / std::sqrt(static_cast<float>(p.head_dim))},
        residual_(device, limits.step_tokens, p.width), normed_(device, limits.step_tokens, p.width),
        query_(device, limits.step_tokens, query_width()), key_(device, limits.step_tokens, key_width()),
        value_(device, limits.step_tokens, key_width()), attended_(device, limits.step_tokens, query_width()),
        hidden_(device, limits.step_tokens, own.hidden.size()),
        picked_residual_(device, limits.sampled_rows, p.width),
        picked_attended_(device, limits.sampled_rows, query_width()) {
    if (part.rank == 0) logits_ = device_buffer(device, limits.sampled_rows, p.vocabulary);
    if (is_split()) own_logits_ = device_buffer(device, limits.sampled_rows, own.vocabulary.size());
  }

  hyper_parameters const& parameters() const noexcept override { return p_; }
  std::uint32_t kv_heads() const noexcept override { return attention_.kv_heads; }
  std::size_t weight_bytes() const noexcept override { return weights_.bytes; }

  float const* forward(step_batch const& batch, kv_memory& kv) override {
    assert(batch.tokens.size() <= limits_.step_tokens && batch.sampled.size() <= limits_.sampled_rows);
    step_inputs const inputs{batch.tokens, batch.sequences, batch.sampled, attention_, &kv};
    // A collective of one epoch stands between the operations: a recording would outlive it.
    auto const course = device_.begin_step(inputs, is_split() ? nullptr : this);
    if (course == step_course::replayed) return mark_written(batch);
    auto const* const logits = compute(batch, kv);
    device_.end_step();
    return logits;
  }

  void wipe_logits() override {
    logits_.wipe();
    own_logits_.wipe();
  }
  void wipe_activations() override {
    for (auto* buffer : {&residual_, &normed_, &query_, &key_, &value_, &attended_, &hidden_,
                         &picked_residual_, &picked_attended_, &logits_, &own_logits_})
      buffer->wipe();
    if (is_split()) part_.group->scrub();
  }

private:
  float const* compute(step_batch const& batch, kv_memory& kv) {
    auto const tokens = batch.tokens.size();
    device_.embed(*weights_.embedding, static_cast<token_id>(own_.vocabulary.begin), batch.tokens,
                  residual_.write(tokens));
    if (is_split()) part_.group->all_reduce(residual_.write(tokens), tokens * p_.width);
    for (std::uint32_t index = 0; index + 1 < p_.layers; ++index) {
      store_keys(index, batch, kv);
      device_.attend(query_.read(), batch.sequences, attention_, kv, index, attended_.write(tokens));
      finish_layer(weights_.layers[index], attended_, residual_, tokens);
    }
    return finish_sampled(batch, kv);
  }

  /// What a replayed step wrote, all of whose tokens sample, counts as written: it is to be wiped.
  float const* mark_written(step_batch const& batch) {
    auto const rows = batch.tokens.size();
    for (auto* buffer : {&residual_, &normed_, &query_, &key_, &value_, &attended_, &hidden_,
                         &picked_residual_, &picked_attended_})
      buffer->write(rows);
    return logits_.write(rows);
  }

  bool is_split() const noexcept { return part_.ranks > 1; }
  std::size_t query_width() const { return own_.heads.size() * p_.head_dim; }
  std::size_t key_width() const { return own_.kv_heads.size() * p_.head_dim; }

  /// Leaves the rotated queries in query_ and K and V in the cache.
  void store_keys(std::uint32_t index, step_batch const& batch, kv_memory& kv) {
    auto const& layer = weights_.layers[index];
    auto const tokens = batch.tokens.size();
    device_.rms_norm(residual_.read(), tokens, *layer.attention_norm, p_.norm_epsilon, normed_.write(tokens));
    std::array<packed_weight const*, 3> const weights{layer.query.get(), layer.key.get(), layer.value.get()};
    std::array<float*, 3> const outs{query_.write(tokens), key_.write(tokens), value_.write(tokens)};
    device_.multiply(weights, normed_.read(), tokens, outs);
    rope_parameters const rope{p_.rope_theta, p_.rope_scale, p_.rope_dims, true, weights_.rope_factors};
    device_.rotate_and_store(query_.write(tokens), key_.read(), value_.read(), batch.sequences, attention_,
                             rope, kv, index);
  }

  /// Adds attention's output and the feed-forward network to the first `tokens` rows of `residual`.
  void finish_layer(llama_layer const& layer, device_buffer const& attended, device_buffer& residual,
                    std::size_t tokens) {
    add_product(*layer.attention_output, attended, residual, tokens);
    device_.rms_norm(residual.read(), tokens, *layer.feed_forward_norm, p_.norm_epsilon,
                     normed_.write(tokens));
    device_.gated_up(*layer.gate, *layer.up, normed_.read(), tokens, hidden_.write(tokens));
    add_product(*layer.down, hidden_, residual, tokens);
  }

  /// residual += x * weight^T over all ranks: the first adds its share to the residual, which is the same on
  /// all, the others give theirs alone.
  void add_product(packed_weight const& matrix, device_buffer const& x, device_buffer& residual,
                   std::size_t tokens) {
    auto* const sum = residual.write(tokens);
    if (part_.rank == 0) {
      device_.multiply_add(matrix, x.read(), tokens, sum);
    } else {
      std::array<packed_weight const*, 1> const matrices{&matrix};
      std::array<float*, 1> const outs{sum};
      device_.multiply(matrices, x.read(), tokens, outs);
    }
    if (is_split()) part_.group->all_reduce(sum, tokens * p_.width);
  }

  /// The last layer: nobody reads its output but the vocabulary matrix, so that after attention only the
  /// tokens that sample go on.
  float const* finish_sampled(step_batch const& batch, kv_memory& kv) {
    auto const last = p_.layers - 1;
    auto const rows = batch.sampled.size();
    store_keys(last, batch, kv);
    if (rows == 0) return nullptr;
    device_.attend(query_.read(), batch.sequences, attention_, kv, last,
                   attended_.write(batch.tokens.size()));
    device_.gather(residual_.read(), p_.width, batch.sampled, picked_residual_.write(rows));
    device_.gather(attended_.read(), query_width(), batch.sampled, picked_attended_.write(rows));
    finish_layer(weights_.layers[last], picked_attended_, picked_residual_, rows);
    device_.rms_norm(picked_residual_.read(), rows, *weights_.output_norm, p_.norm_epsilon,
                     normed_.write(rows));
    std::array<packed_weight const*, 1> const weights{&weights_.vocabulary_matrix()};
    auto& own = is_split() ? own_logits_ : logits_;
    std::array<float*, 1> const outs{own.write(rows)};
    device_.multiply(weights, normed_.read(), rows, outs);
    auto* const whole = part_.rank == 0 ? logits_.write(rows) : nullptr;
    if (is_split()) part_.group->gather_columns(own.read(), rows, widths_, whole);
    return whole;
  }

  std::shared_ptr<gguf_file const> file_; // packed weights may point into it
  backend& device_;
  hyper_parameters p_;
  shard part_;
  shard_plan own_;
  llama_weights weights_;
  model_limits limits_;
  std::vector<std::size_t> widths_; ///< of each rank's logits
  attention_shape attention_;
  device_buffer residual_;        // [T][W]
  device_buffer normed_;          // [T][W]
  device_buffer query_;           // [T][Q]
  device_buffer key_;             // [T][K]
  device_buffer value_;           // [T][K]
  device_buffer attended_;        // [T][Q]
  device_buffer hidden_;          // [T][F]
  device_buffer picked_residual_; // [S][W]
  device_buffer picked_attended_; // [S][Q]
  device_buffer logits_;          // [S][V]; empty beside the first rank
  device_buffer own_logits_;      // [S][this rank's part of V]; empty where nothing is split
};

/// Columns of the down matrix are cut between blocks.
std::uint32_t hidden_granule(gguf_file const& file) {
  auto const down = file.tensor("blk.0.ffn_down.weight");
  auto const layout = down ? layout_of(down->type) : std::nullopt;
  return layout ? static_cast<std::uint32_t>(layout->elements) : 1;
}

} // namespace

result<std::unique_ptr<model>> load_llama(std::shared_ptr<gguf_file const> file, backend& device,
                                          model_limits limits, shard part) {
  auto const parameters = read_hyper_parameters(*file, "llama");
  if (!parameters) return parameters.failure();
  auto const own = plan_shard(*parameters, part.rank, part.ranks, part.ranks > 1 ? hidden_granule(*file) : 1);
  if (!own) return own.failure();
  auto weights = load_weights(*file, device, *parameters, *own);
  if (!weights) return weights.failure();
  try {
    return std::unique_ptr<model>(std::make_unique<llama>(std::move(file), device, *parameters,
                                                          std::move(*weights), limits, part, *own));
  } catch (std::bad_alloc const&) {
    return error{errc::out_of_memory, "no memory for the activations of a step", 0};
  }
}

} // namespace mayfly::gpu
