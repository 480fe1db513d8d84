#pragma once
// The llama network as its papers write it, in double precision, one token at a time, without a cache: slow,
// and independent of everything that it checks.
#include "gguf_builder.hpp"

#include <cmath>
#include <map>
#include <random>
#include <span>

namespace mayfly::gpu::testing {

struct reference_shape {
  std::size_t layers = 2;
  std::size_t width = 32;
  std::size_t hidden = 48;
  std::size_t heads = 4;
  std::size_t kv_heads = 2;
  std::size_t head_dim = 8;
  std::size_t vocabulary = 40;
  bool tied = false;
  bool rope_factors = false;
};

class reference_network {
public:
  explicit reference_network(reference_shape shape) : shape_(shape) {
    auto const q = shape.heads * shape.head_dim;
    auto const k = shape.kv_heads * shape.head_dim;
    make("token_embd.weight", shape.vocabulary, shape.width);
    make("output_norm.weight", 0, shape.width);
    if (!shape.tied) make("output.weight", shape.vocabulary, shape.width);
    if (shape.rope_factors) {
      make("rope_freqs.weight", 0, shape.head_dim / 2);
      for (auto& factor : tensors_.at("rope_freqs.weight").floats) factor = 1 + std::abs(factor) * 5;
    }
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
      auto const name = [layer](char const* part) { return "blk." + std::to_string(layer) + "." + part; };
      make(name("attn_norm.weight"), 0, shape.width);
      make(name("attn_q.weight"), q, shape.width);
      make(name("attn_k.weight"), k, shape.width);
      make(name("attn_v.weight"), k, shape.width);
      make(name("attn_output.weight"), shape.width, q);
      make(name("ffn_norm.weight"), 0, shape.width);
      make(name("ffn_gate.weight"), shape.hidden, shape.width);
      make(name("ffn_up.weight"), shape.hidden, shape.width);
      make(name("ffn_down.weight"), shape.width, shape.hidden);
    }
  }

  gguf_builder file() const {
    auto const count = [](std::size_t value) { return static_cast<std::uint32_t>(value); };
    gguf_builder built;
    built.text("general.architecture", "llama")
        .integer("llama.block_count", count(shape_.layers))
        .integer("llama.embedding_length", count(shape_.width))
        .integer("llama.feed_forward_length", count(shape_.hidden))
        .integer("llama.attention.head_count", count(shape_.heads))
        .integer("llama.attention.head_count_kv", count(shape_.kv_heads))
        .integer("llama.attention.key_length", count(shape_.head_dim))
        .integer("llama.attention.value_length", count(shape_.head_dim))
        .integer("llama.context_length", 64);
    for (auto const& [name, made] : tensors_) built.tensor(name, made.rows, made.columns, made.floats);
    return built;
  }

  /// Logits after the last of `tokens`.
  std::vector<double> logits(std::span<std::int32_t const> tokens) const {
    std::vector<std::vector<double>> x;
    for (auto const token : tokens) x.push_back(row_of("token_embd.weight", static_cast<std::size_t>(token)));
    for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
      auto const prefix = "blk." + std::to_string(layer) + ".";
      add_attention(prefix, x);
      for (auto& token : x) add_feed_forward(prefix, token);
    }
    return product(shape_.tied ? "token_embd.weight" : "output.weight", norm("output_norm.weight", x.back()));
  }

private:
  struct tensor {
    std::size_t rows;
    std::size_t columns;
    std::vector<float> floats;
  };
  using vector = std::vector<double>;

  void make(std::string const& name, std::size_t rows, std::size_t columns) {
    tensor made{rows, columns, std::vector<float>((rows == 0 ? 1 : rows) * columns)};
    std::normal_distribution<float> normal(0, rows == 0 ? 1.0F : 0.25F);
    for (auto& each : made.floats) each = normal(random_);
    tensors_.emplace(name, std::move(made));
  }

  vector row_of(std::string const& name, std::size_t row) const {
    auto const& from = tensors_.at(name);
    auto const begin = from.floats.begin() + static_cast<std::ptrdiff_t>(row * from.columns);
    return {begin, begin + static_cast<std::ptrdiff_t>(from.columns)};
  }

  vector product(std::string const& name, vector const& x) const {
    auto const& matrix = tensors_.at(name);
    vector out(matrix.rows, 0);
    for (std::size_t row = 0; row < matrix.rows; ++row)
      for (std::size_t column = 0; column < matrix.columns; ++column)
        out[row] += static_cast<double>(matrix.floats[row * matrix.columns + column]) * x[column];
    return out;
  }

  vector norm(std::string const& name, vector const& x) const {
    auto const weight = row_of(name, 0);
    double squares = 0;
    for (auto const each : x) squares += each * each;
    auto const scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(1e-5F));
    vector out(x.size());
    for (std::size_t index = 0; index < x.size(); ++index) out[index] = x[index] * scale * weight[index];
    return out;
  }

  /// Rotates pairs (2i, 2i + 1) of each head.
  void rotate(vector& heads, std::size_t position) const {
    auto const dims = shape_.head_dim;
    for (std::size_t index = 0; index < heads.size(); index += 2) {
      auto const pair = index % dims / 2;
      auto frequency = std::pow(10000.0, -2.0 * static_cast<double>(pair) / static_cast<double>(dims));
      if (shape_.rope_factors)
        frequency /= static_cast<double>(tensors_.at("rope_freqs.weight").floats[pair]);
      auto const angle = static_cast<double>(position) * frequency;
      auto const first = heads[index];
      auto const second = heads[index + 1];
      heads[index] = first * std::cos(angle) - second * std::sin(angle);
      heads[index + 1] = first * std::sin(angle) + second * std::cos(angle);
    }
  }

  void add_attention(std::string const& prefix, std::vector<vector>& x) const {
    std::vector<vector> keys;
    std::vector<vector> values;
    for (std::size_t position = 0; position < x.size(); ++position) {
      auto const normed = norm(prefix + "attn_norm.weight", x[position]);
      auto query = product(prefix + "attn_q.weight", normed);
      keys.push_back(product(prefix + "attn_k.weight", normed));
      values.push_back(product(prefix + "attn_v.weight", normed));
      rotate(query, position);
      rotate(keys.back(), position);
      auto const added = product(prefix + "attn_output.weight", attended(query, keys, values));
      for (std::size_t index = 0; index < added.size(); ++index) x[position][index] += added[index];
    }
  }

  vector attended(vector const& query, std::vector<vector> const& keys,
                  std::vector<vector> const& values) const {
    vector out(query.size(), 0);
    for (std::size_t head = 0; head < shape_.heads; ++head) {
      auto const from = head / (shape_.heads / shape_.kv_heads) * shape_.head_dim;
      auto const to = head * shape_.head_dim;
      vector weights;
      double total = 0;
      for (auto const& key : keys) {
        double score = 0;
        for (std::size_t dim = 0; dim < shape_.head_dim; ++dim) score += query[to + dim] * key[from + dim];
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(shape_.head_dim))));
        total += weights.back();
      }
      for (std::size_t position = 0; position < keys.size(); ++position)
        for (std::size_t dim = 0; dim < shape_.head_dim; ++dim)
          out[to + dim] += weights[position] / total * values[position][from + dim];
    }
    return out;
  }

  void add_feed_forward(std::string const& prefix, vector& x) const {
    auto const normed = norm(prefix + "ffn_norm.weight", x);
    auto gate = product(prefix + "ffn_gate.weight", normed);
    auto const up = product(prefix + "ffn_up.weight", normed);
    for (std::size_t index = 0; index < gate.size(); ++index)
      gate[index] = gate[index] / (1 + std::exp(-gate[index])) * up[index];
    auto const added = product(prefix + "ffn_down.weight", gate);
    for (std::size_t index = 0; index < added.size(); ++index) x[index] += added[index];
  }

  reference_shape shape_;
  std::mt19937 random_{11};
  std::map<std::string, tensor> tensors_;
};

} // namespace mayfly::gpu::testing
