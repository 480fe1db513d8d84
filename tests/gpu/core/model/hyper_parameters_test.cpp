#include "gpu/model/hyper_parameters.hpp"

#include "gguf_builder.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

gguf_builder smallest() {
  gguf_builder file;
  file.text("general.architecture", "llama")
      .integer("llama.block_count", 2)
      .integer("llama.embedding_length", 32)
      .integer("llama.feed_forward_length", 48)
      .integer("llama.attention.head_count", 4)
      .integer("llama.context_length", 100)
      .tensor("token_embd.weight", 7, 32, std::vector<float>(7 * 32));
  return file;
}

result<hyper_parameters> read(gguf_builder const& builder) {
  auto const bytes = builder.bytes();
  auto const file = gguf_file::parse(bytes);
  REQUIRE(file.has_value());
  return read_hyper_parameters(**file, "llama");
}

errc failure_of(gguf_builder const& builder) {
  auto const parameters = read(builder);
  return parameters ? errc::ok : parameters.failure().code;
}

} // namespace

TEST_CASE("a model file's numbers have the defaults of the format where they are absent") {
  auto const parameters = read(smallest());
  REQUIRE(parameters.has_value());
  CHECK(parameters->layers == 2);
  CHECK(parameters->width == 32);
  CHECK(parameters->hidden == 48);
  CHECK(parameters->heads == 4);
  CHECK(parameters->kv_heads == 4);
  CHECK(parameters->head_dim == 8);
  CHECK(parameters->vocabulary == 7);
  CHECK(parameters->context_tokens == 100);
  CHECK(parameters->rope_dims == 8);
  CHECK(parameters->rope_theta == 10000.0F);
  CHECK(parameters->rope_scale == 1.0F);
  CHECK(parameters->norm_epsilon == 1e-5F);
}

TEST_CASE("a model file's own numbers win over the defaults") {
  auto const parameters = read(smallest()
                                   .integer("llama.attention.head_count_kv", 2)
                                   .integer("llama.attention.key_length", 16)
                                   .integer("llama.rope.dimension_count", 12)
                                   .integer("llama.vocab_size", 7)
                                   .number("llama.rope.freq_base", 5e5F)
                                   .text("llama.rope.scaling.type", "linear")
                                   .number("llama.rope.scaling.factor", 4.0F)
                                   .number("llama.attention.layer_norm_rms_epsilon", 1e-6F));
  REQUIRE(parameters.has_value());
  CHECK(parameters->kv_heads == 2);
  CHECK(parameters->head_dim == 16);
  CHECK(parameters->rope_dims == 12);
  CHECK(parameters->rope_theta == 5e5F);
  CHECK(parameters->rope_scale == 0.25F);
  CHECK(parameters->norm_epsilon == 1e-6F);
}

TEST_CASE("a network that would be computed wrongly is refused as unsupported") {
  CHECK(failure_of(smallest().text("llama.rope.scaling.type", "yarn")) == errc::unsupported);
  CHECK(failure_of(smallest().integer("llama.attention.value_length", 4)) == errc::unsupported);
  CHECK(failure_of(smallest().flag("llama.attention.causal", false)) == errc::unsupported);
  CHECK(failure_of(smallest().integer("llama.expert_count", 8)) == errc::unsupported);
  CHECK(failure_of(smallest().number("llama.rope.scaling.attn_factor", 2)) == errc::unsupported);
  CHECK(failure_of(smallest().integers("llama.attention.head_count_kv", {4, 2})) == errc::unsupported);
}

TEST_CASE("numbers that contradict one another are malformed") {
  CHECK(failure_of(smallest().integer("llama.attention.head_count_kv", 3)) == errc::malformed);
  CHECK(failure_of(smallest().integer("llama.attention.head_count_kv", 0)) == errc::malformed);
  CHECK(failure_of(smallest().integer("llama.attention.key_length", 1U << 30U)) == errc::malformed);
  CHECK(failure_of(smallest().integer("llama.rope.dimension_count", 7)) == errc::malformed);
  CHECK(failure_of(smallest().integer("llama.rope.dimension_count", 10)) == errc::malformed);
  CHECK(failure_of(smallest().integer("llama.vocab_size", 8)) == errc::malformed);
  CHECK(failure_of(smallest().number("llama.rope.freq_base", -1)) == errc::malformed);
}

TEST_CASE("a file without the numbers, or without embeddings, is malformed") {
  CHECK(failure_of(gguf_builder().text("general.architecture", "llama")) == errc::malformed);
  gguf_builder without_table;
  without_table.integer("llama.block_count", 2)
      .integer("llama.embedding_length", 32)
      .integer("llama.feed_forward_length", 48)
      .integer("llama.attention.head_count", 4)
      .integer("llama.context_length", 100);
  CHECK(failure_of(without_table) == errc::malformed);
}
