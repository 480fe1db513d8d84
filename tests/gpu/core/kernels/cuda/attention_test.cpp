// Attention of the CUDA backend over every head width and grouping, odd blocks, prefill and decode.
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

namespace mayfly::gpu::testing {
namespace {

struct attention_case {
  std::uint32_t kv_heads = 1;
  std::uint32_t group = 1; ///< query heads a KV head
  std::uint32_t head_dim = 64;
  std::uint32_t block_tokens = 16;
  std::uint32_t positions = 40; ///< stored
  std::uint32_t asked = 1;      ///< tokens at the end that attend
  kv_precision precision = kv_precision::f16;
};

/// The largest difference from double precision, over the last `asked` tokens of a sequence.
double difference(attention_case const& each, random_numbers& random) {
  auto const device = emulated_cuda();
  attention_shape const shape{each.kv_heads * each.group, each.kv_heads, each.head_dim,
                              1.0F / std::sqrt(static_cast<float>(each.head_dim))};
  auto const count = each.positions / each.block_tokens + 1;
  std::vector<std::uint32_t> blocks(count);
  std::iota(blocks.rbegin(), blocks.rend(), 0U);
  auto kv =
      device->create_kv_memory({count, each.block_tokens, 2, each.kv_heads, each.head_dim, each.precision});
  REQUIRE(kv);
  auto const width = std::size_t{each.kv_heads} * each.head_dim;
  auto const k = random.uniforms(each.positions * width);
  auto const v = random.uniforms(each.positions * width);
  auto const q = random.uniforms(each.asked * width * each.group);
  rope_parameters const unturned{10000.0F, 1.0F, 0, true, {}};
  device_floats const keys(*device, k);
  device_floats const values(*device, v);
  device_floats const all_queries(*device, each.positions * width * each.group);
  sequence_span const stored{0, each.positions, 0, blocks};
  device->rotate_and_store(all_queries.get(), keys.get(), values.get(), {&stored, 1}, shape, unturned, **kv,
                           1);
  device_floats const queries(*device, q);
  device_floats const out(*device, q.size());
  sequence_span const span{0, each.asked, each.positions - each.asked, blocks};
  device->attend(queries.get(), {&span, 1}, shape, **kv, 1, out.get());
  REQUIRE(device->synchronize());
  return largest_difference(out.read(), attended({q.begin(), q.end()}, {k.begin(), k.end()},
                                                 {v.begin(), v.end()}, shape, each.positions - each.asked));
}

} // namespace

// K, V, queries and probabilities are f16: 2^-11 of each.
TEST_CASE("attention agrees with double precision for every head width and number of query heads a KV head") {
  random_numbers random(201);
  for (std::uint32_t const dim : {64U, 80U, 96U, 112U, 128U}) {
    for (std::uint32_t group = 1; group <= 8; ++group) {
      INFO("dim " << dim << " group " << group);
      CHECK(difference({2, group, dim, 16, 45, 1}, random) < 1e-3);
      CHECK(difference({1, group, dim, 16, 37, 19}, random) < 1e-3);
    }
  }
}

TEST_CASE("head widths that no mma fills, and f32 caches, go the plain way") {
  random_numbers random(202);
  for (std::uint32_t const dim : {1U, 7U, 16U, 40U, 72U, 160U, 256U}) {
    INFO("dim " << dim);
    CHECK(difference({2, 3, dim, 16, 45, 7}, random) < 1e-3);
    CHECK(difference({2, 3, dim, 16, 45, 7, kv_precision::f32}, random) < 1e-5);
  }
  CHECK(difference({2, 4, 64, 16, 300, 1, kv_precision::f32}, random) < 1e-5);
}

TEST_CASE("blocks of any length, ends inside of blocks, long sequences in several splits") {
  random_numbers random(203);
  for (std::uint32_t const block : {1U, 5U, 16U, 33U})
    for (std::uint32_t const positions : {1U, 15U, 16U, 17U, 100U}) {
      INFO("block " << block << " positions " << positions);
      CHECK(difference({1, 2, 64, block, positions, 1}, random) < 1e-3);
    }
  // Four processors, one tile: as many splits as the length bears, 2 and 4 and 8.
  for (std::uint32_t const positions : {257U, 600U, 1100U}) {
    INFO("positions " << positions);
    CHECK(difference({1, 8, 128, 16, positions, 1}, random) < 1e-3);
    CHECK(difference({1, 1, 64, 16, positions, 5}, random) < 1e-3);
  }
}

TEST_CASE("heads wider than attention takes are refused") {
  auto const kv = emulated_cuda()->create_kv_memory({1, 16, 1, 1, 257});
  REQUIRE_FALSE(kv);
  CHECK(kv.failure().code == errc::unsupported);
}

} // namespace mayfly::gpu::testing
