#include "gpu/model/llama.hpp"

#include "reference_network.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

std::vector<token_id> const tokens{3, 17, 39, 0, 3, 22, 8, 8, 31, 5, 12};

std::unique_ptr<backend> device() {
  auto made = make_cpu_backend({1, instruction_set::best});
  REQUIRE(made.has_value());
  return std::move(*made);
}

result<std::unique_ptr<model>> load(gguf_builder const& file, std::vector<std::byte>& bytes, backend& on) {
  bytes = file.bytes();
  auto const parsed = gguf_file::parse(bytes);
  REQUIRE(parsed.has_value());
  return load_model(*parsed, on, {16, 16});
}

errc failure_of(gguf_builder const& file) {
  auto const on = device();
  std::vector<std::byte> bytes;
  auto const loaded = load(file, bytes, *on);
  return loaded ? errc::ok : loaded.failure().code;
}

/// Runs `tokens` in chunks and compares the logits of every position with the reference's. K and V are kept
/// as f16, so that differences of some 2^-11 of the logits' size are right.
void check_against(reference_network const& reference, std::uint32_t chunk) {
  auto const on = device();
  std::vector<std::byte> bytes;
  auto network = load(reference.file(), bytes, *on);
  REQUIRE(network.has_value());
  auto const& p = (*network)->parameters();
  auto kv = on->create_kv_memory(kv_shape_of(p, 3, 4));
  REQUIRE(kv.has_value());
  std::vector<std::uint32_t> const blocks{2, 0, 1};
  for (std::uint32_t first = 0; first < tokens.size(); first += chunk) {
    auto const count = std::min<std::uint32_t>(chunk, static_cast<std::uint32_t>(tokens.size()) - first);
    std::vector<std::uint32_t> rows(count);
    std::iota(rows.begin(), rows.end(), 0U);
    sequence_span const span{0, count, first, blocks};
    auto const* address =
        (*network)->forward({std::span(tokens).subspan(first, count), {&span, 1}, rows}, **kv);
    std::vector<float> logits(std::size_t{count} * p.vocabulary);
    on->download(address, logits);
    REQUIRE(on->synchronize().has_value());
    for (std::size_t row = 0; row < count; ++row) {
      auto const exact = reference.logits(std::span(tokens).first(first + row + 1));
      for (std::size_t token = 0; token < p.vocabulary; ++token) {
        CAPTURE(first, row, token);
        CHECK(static_cast<double>(logits[row * p.vocabulary + token]) == Approx(exact[token]).margin(0.02));
      }
    }
  }
}

} // namespace

TEST_CASE("the llama network computes what its papers write") {
  check_against(reference_network({}), 16);
  check_against(reference_network({.tied = true}), 16);
  check_against(reference_network({.rope_factors = true}), 16);
  check_against(reference_network({.layers = 1}), 16);
  check_against(reference_network({.heads = 6, .kv_heads = 6}), 16);
}

TEST_CASE("the llama network computes the same in chunks") {
  check_against(reference_network({}), 1);
  check_against(reference_network({}), 3);
}

TEST_CASE("a chunk that samples nothing still stores K and V") {
  reference_network const reference({});
  auto const on = device();
  std::vector<std::byte> bytes;
  auto network = load(reference.file(), bytes, *on);
  REQUIRE(network.has_value());
  auto const& p = (*network)->parameters();
  auto kv = on->create_kv_memory(kv_shape_of(p, 3, 4));
  REQUIRE(kv.has_value());
  std::vector<std::uint32_t> const blocks{0, 1, 2};
  sequence_span const first{0, 10, 0, blocks};
  CHECK((*network)->forward({std::span(tokens).first(10), {&first, 1}, {}}, **kv) == nullptr);
  sequence_span const second{0, 1, 10, blocks};
  std::uint32_t const row = 0;
  auto const* address = (*network)->forward({std::span(tokens).subspan(10), {&second, 1}, {&row, 1}}, **kv);
  std::vector<float> logits(p.vocabulary);
  on->download(address, logits);
  REQUIRE(on->synchronize().has_value());
  auto const exact = reference.logits(tokens);
  for (std::size_t token = 0; token < p.vocabulary; ++token)
    CHECK(static_cast<double>(logits[token]) == Approx(exact[token]).margin(0.02));
}

TEST_CASE("a file with biases is refused, not computed without them") {
  auto file = reference_network({}).file();
  file.tensor("blk.1.attn_q.bias", 0, 32, std::vector<float>(32));
  CHECK(failure_of(file) == errc::unsupported);
}

TEST_CASE("a file of an architecture that nobody knows is refused") {
  CHECK(failure_of(gguf_builder().text("general.architecture", "hexapod")) == errc::unsupported);
  CHECK(failure_of(gguf_builder()) == errc::malformed);
}

TEST_CASE("a file that lacks a tensor, or has one of another shape, is malformed") {
  gguf_builder file;
  file.text("general.architecture", "llama")
      .integer("llama.block_count", 1)
      .integer("llama.embedding_length", 32)
      .integer("llama.feed_forward_length", 48)
      .integer("llama.attention.head_count", 4)
      .integer("llama.context_length", 64)
      .tensor("token_embd.weight", 7, 32, std::vector<float>(7 * 32));
  CHECK(failure_of(file) == errc::malformed);
  file.tensor("blk.0.attn_norm.weight", 0, 31, std::vector<float>(31));
  CHECK(failure_of(file) == errc::malformed);
}
