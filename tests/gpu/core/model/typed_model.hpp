#pragma once
// Models of one tensor type each: every matrix is blocks of random bytes with scales of a fixed size. To the
// byte those that ops/oracles/typed.py makes for transformers.
#include "gguf_builder.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mayfly::gpu::testing {

/// A type's blocks, and where they keep float16 scales: (byte offset, bits).
struct typed_blocks {
  std::string name;
  tensor_type type;
  std::size_t elements;
  std::size_t bytes;
  std::vector<std::pair<std::size_t, std::uint16_t>> scales;
};

inline std::vector<typed_blocks> const& every_typed_blocks() {
  static std::vector<typed_blocks> const all{
      {"q4_0", tensor_type::q4_0, 32, 18, {{0, 0x2400}}},
      {"q4_1", tensor_type::q4_1, 32, 20, {{0, 0x2400}, {2, 0xAF80}}},
      {"q5_0", tensor_type::q5_0, 32, 22, {{0, 0x2000}}},
      {"q5_1", tensor_type::q5_1, 32, 24, {{0, 0x2000}, {2, 0xAFC0}}},
      {"q8_0", tensor_type::q8_0, 32, 34, {{0, 0x1400}}},
      {"q4_k", tensor_type::q4_k, 256, 144, {{0, 0x0C00}, {2, 0x1780}}},
      {"q5_k", tensor_type::q5_k, 256, 176, {{0, 0x0800}, {2, 0x17C0}}},
      {"q6_k", tensor_type::q6_k, 256, 210, {{208, 0x0400}}},
      {"f32", tensor_type::f32, 1, 4, {}},
      {"f16", tensor_type::f16, 1, 2, {}},
      {"bf16", tensor_type::bf16, 1, 2, {}},
  };
  return all;
}

class typed_model {
public:
  explicit typed_model(typed_blocks const& blocks) : blocks_(blocks) {
    file_.text("general.architecture", "llama")
        .integer("llama.block_count", layers)
        .integer("llama.embedding_length", columns)
        .integer("llama.feed_forward_length", columns)
        .integer("llama.attention.head_count", heads)
        .integer("llama.attention.head_count_kv", kv_heads)
        .integer("llama.context_length", 256)
        .integer("llama.rope.dimension_count", columns / heads)
        .number("llama.rope.freq_base", 10000.0F)
        .number("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    matrix("token_embd", vocabulary, 4);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      auto const at = "blk." + std::to_string(layer) + ".";
      matrix(at + "attn_q", columns, 1);
      matrix(at + "attn_k", columns / heads * kv_heads, 1);
      matrix(at + "attn_v", columns / heads * kv_heads, 0);
      for (auto const* name : {"attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        matrix(at + name, columns, 0);
      for (auto const* name : {"attn_norm", "ffn_norm"}) ones(at + name);
    }
    matrix("output", vocabulary, 2);
    ones("output_norm");
  }

  std::vector<std::byte> bytes() const { return file_.bytes(); }

private:
  static constexpr std::uint32_t layers = 2, columns = 256, heads = 4, kv_heads = 2, vocabulary = 320;

  /// SplitMix64 (Steele, Lea, Flood 2014).
  static std::uint64_t next(std::uint64_t& state) {
    auto mixed = state += 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }

  void ones(std::string const& name) {
    file_.tensor(name + ".weight", 0, columns, std::vector<float>(columns, 1.0F));
  }

  /// `gain`: the power of two that it multiplies by.
  void matrix(std::string const& name, std::uint32_t rows, std::uint32_t gain) {
    auto const count = std::size_t{rows} * columns / blocks_.elements * blocks_.bytes;
    std::vector<std::byte> stored((count + 7) / 8 * 8);
    auto state = (std::uint64_t{static_cast<std::uint32_t>(blocks_.type)} << 32U) + seed_++;
    for (std::size_t at = 0; at < stored.size(); at += 8) {
      auto const random = next(state);
      std::memcpy(stored.data() + at, &random, 8);
    }
    stored.resize(count);
    for (std::size_t at = 0; at < count; at += blocks_.bytes) scale(stored.data() + at, gain);
    file_.tensor(name + ".weight", rows, columns, blocks_.type, stored);
  }

  void scale(std::byte* block, std::uint32_t gain) const {
    for (auto const& [offset, bits] : blocks_.scales) {
      auto const scaled = static_cast<std::uint16_t>(bits + (gain << 10U));
      std::memcpy(block + offset, &scaled, sizeof scaled);
    }
    if (blocks_.scales.empty()) to_float(block, gain);
  }

  /// A whole number of 8 bits, scaled: each type holds it exactly.
  void to_float(std::byte* block, std::uint32_t gain) const {
    auto const whole = static_cast<float>(std::bit_cast<std::int8_t>(*block));
    auto const bits = std::bit_cast<std::uint32_t>(std::ldexp(whole, static_cast<int>(gain) - 10));
    auto const upper = static_cast<std::uint16_t>(bits >> 16U);
    auto const exponent = ((bits >> 23U) & 0xFFU) - 112U; // float16's bias is smaller by so much
    auto const half = static_cast<std::uint16_t>(
        (upper & 0x8000U) | (whole == 0 ? 0U : exponent << 10U | ((bits >> 13U) & 0x3FFU)));
    if (blocks_.type == tensor_type::f32) std::memcpy(block, &bits, sizeof bits);
    if (blocks_.type == tensor_type::f16) std::memcpy(block, &half, sizeof half);
    if (blocks_.type == tensor_type::bf16) std::memcpy(block, &upper, sizeof upper);
  }

  typed_blocks const& blocks_;
  gguf_builder file_;
  std::uint64_t seed_ = 0;
};

} // namespace mayfly::gpu::testing
