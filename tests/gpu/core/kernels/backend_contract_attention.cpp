// Rotary embedding, KV storage and attention of the backend contract, for every device; to the bit on
// processors.
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>
#include <cmath>

namespace mayfly::gpu::testing {
namespace {

struct attention_case {
  std::uint32_t heads;
  std::uint32_t kv_heads;
  std::uint32_t head_dim;
  std::uint32_t block_tokens;
  std::size_t positions;
  kv_precision precision = kv_precision::f16;
};

attention_shape shape_of(attention_case const& each) {
  return {each.heads, each.kv_heads, each.head_dim, 1.0F / std::sqrt(static_cast<float>(each.head_dim))};
}

std::vector<std::uint32_t> counted(std::size_t count) {
  std::vector<std::uint32_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<std::uint32_t>(i);
  return all;
}

// Blocks out of order, as a cache in use gives them.
std::vector<std::uint32_t> shuffled_blocks(std::size_t count) {
  std::vector<std::uint32_t> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(static_cast<std::uint32_t>((i * 7 + 3) % count));
  return blocks;
}

std::size_t blocks_for(attention_case const& each) {
  auto count = each.positions / each.block_tokens + 1;
  return count % 7 == 0 ? count + 1 : count; // 7 must generate all of them
}

// One sequence through layer 1 of 2, `chunk` tokens a step.
std::vector<float> run_sequence(backend& device, attention_case const& each, rope_parameters const& rope,
                                std::vector<float> const& q, std::vector<float> const& k,
                                std::vector<float> const& v, std::size_t chunk) {
  auto const shape = shape_of(each);
  auto const blocks = shuffled_blocks(blocks_for(each));
  auto kv = device.create_kv_memory({static_cast<std::uint32_t>(blocks.size()), each.block_tokens, 2,
                                     each.kv_heads, each.head_dim, each.precision});
  REQUIRE(kv);
  device_floats const queries(device, q);
  device_floats const keys(device, k);
  device_floats const values(device, v);
  device_floats const out(device, q.size());
  for (std::size_t at = 0; at < each.positions; at += chunk) {
    auto const count = std::min(chunk, each.positions - at);
    sequence_span const span{0, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(at), blocks};
    auto* const step_q = queries.get() + at * each.heads * each.head_dim;
    device.rotate_and_store(step_q, keys.get() + at * each.kv_heads * each.head_dim,
                            values.get() + at * each.kv_heads * each.head_dim, {&span, 1}, shape, rope, **kv,
                            1);
    device.attend(step_q, {&span, 1}, shape, **kv, 1, out.get() + at * each.heads * each.head_dim);
  }
  REQUIRE(device.synchronize());
  return out.read();
}

std::vector<double> expected_for(attention_case const& each, rope_parameters const& rope,
                                 std::vector<float> const& q, std::vector<float> const& k,
                                 std::vector<float> const& v) {
  auto const positions = counted(each.positions);
  return attended(rotated(q, positions, each.heads, each.head_dim, rope),
                  rotated(k, positions, each.kv_heads, each.head_dim, rope), {v.begin(), v.end()},
                  shape_of(each), 0);
}

attention_case const cases[] = {
    {4, 2, 64, 16, 40},  // grouped heads, several blocks
    {9, 3, 64, 16, 600}, // several splits
    {2, 2, 128, 32, 70}, // one query head a KV head
    {12, 1, 32, 16, 20}, // more heads than share a pass
    {3, 1, 20, 5, 270},  // nothing a multiple of 16
    {9, 3, 64, 16, 600, kv_precision::f32},
    {3, 1, 20, 5, 270, kv_precision::f32},
};

// K and V of f16 round by 2^-11; of f32 the angles of the rotation, products of floats, are what is left.
double tolerance(kv_precision precision) { return precision == kv_precision::f16 ? 1e-3 : 5e-5; }

} // namespace

TEST_CASE("attention over rotated keys is what double precision says") {
  random_numbers random(11);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const& each : cases) {
      rope_parameters const rope{10000.0F, 1.0F, each.head_dim, true, {}};
      auto const q = random.uniforms(each.positions * each.heads * each.head_dim);
      auto const k = random.uniforms(each.positions * each.kv_heads * each.head_dim);
      auto const v = random.uniforms(each.positions * each.kv_heads * each.head_dim);
      INFO(device->name().view() << " heads " << each.heads << " dim " << each.head_dim);
      auto const out = run_sequence(*device, each, rope, q, k, v, each.positions);
      CHECK(largest_difference(out, expected_for(each, rope, q, k, v)) < tolerance(each.precision));
    }
  }
}

TEST_CASE("attention is bitwise the same with any chunking and any number of threads") {
  random_numbers random(12);
  for (auto const set : available_sets()) {
    for (auto const& each : cases) {
      rope_parameters const rope{10000.0F, 1.0F, each.head_dim, true, {}};
      auto const q = random.uniforms(each.positions * each.heads * each.head_dim);
      auto const k = random.uniforms(each.positions * each.kv_heads * each.head_dim);
      auto const v = random.uniforms(each.positions * each.kv_heads * each.head_dim);
      auto const whole = run_sequence(*backend_for(set, 1), each, rope, q, k, v, each.positions);
      for (unsigned const threads : {1U, 2U, 5U}) {
        for (std::size_t const chunk : {1U, 7U, 64U}) {
          auto const device = backend_for(set, threads);
          INFO(device->name().view() << " threads " << threads << " chunk " << chunk);
          CHECK(run_sequence(*device, each, rope, q, k, v, chunk) == whole);
        }
      }
    }
  }
}

TEST_CASE("rotation follows its parameters: pairing, scale, partial dimensions, frequency factors") {
  random_numbers random(13);
  std::vector<float> const factors{1.0F, 2.0F, 4.0F, 8.0F, 1.5F, 3.0F, 1.0F, 1.0F};
  rope_parameters const all[] = {
      {10000.0F, 1.0F, 32, true, {}},
      {500000.0F, 1.0F, 32, false, {}},
      {10000.0F, 0.25F, 16, true, {}},
      {10000.0F, 1.0F, 16, false, factors},
  };
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    auto kv = device->create_kv_memory({64, 16, 1, 1, 32});
    REQUIRE(kv);
    auto const blocks = counted(64);
    for (auto const& rope : all) {
      auto const q = random.uniforms(3 * 2 * 32);
      device_floats const queries(*device, q);
      device_floats const keys(*device, random.uniforms(3 * 32));
      sequence_span const span{0, 3, 900, blocks};
      device->rotate_and_store(queries.get(), keys.get(), keys.get(), {&span, 1}, {2, 1, 32, 1.0F}, rope,
                               **kv, 0);
      INFO(device->name().view() << " theta " << rope.theta);
      // Angles are products of floats: at position 900 off by up to 900 * 2^-24.
      CHECK(largest_difference(queries.read(), rotated(q, {900, 901, 902}, 2, 32, rope)) < 2e-4);
    }
  }
}

TEST_CASE("sequences of one batch do not see each other") {
  random_numbers random(14);
  attention_shape const shape{4, 2, 64, 0.125F};
  rope_parameters const rope{10000.0F, 1.0F, 64, true, {}};
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    auto const q = random.uniforms(5 * 4 * 64);
    auto const k = random.uniforms(5 * 2 * 64);
    auto const v = random.uniforms(5 * 2 * 64);
    std::vector<std::uint32_t> const first_blocks{3};
    std::vector<std::uint32_t> const second_blocks{1};
    sequence_span const spans[] = {{0, 2, 0, first_blocks}, {2, 3, 0, second_blocks}};
    auto const run = [&](std::span<sequence_span const> sequences) {
      auto kv = device->create_kv_memory({4, 16, 1, 2, 64});
      REQUIRE(kv);
      device_floats const queries(*device, q);
      device_floats const keys(*device, k);
      device_floats const values(*device, v);
      device_floats const out(*device, q.size());
      device->rotate_and_store(queries.get(), keys.get(), values.get(), sequences, shape, rope, **kv, 0);
      device->attend(queries.get(), sequences, shape, **kv, 0, out.get());
      return out.read();
    };
    auto const together = run(spans);
    auto const first = run({spans, 1});
    auto const second = run({spans + 1, 1});
    auto const border = 2 * 4 * 64;
    CHECK(std::equal(together.begin(), together.begin() + border, first.begin()));
    CHECK(std::equal(together.begin() + border, together.end(), second.begin() + border));
  }
}

TEST_CASE("values too large for f16 stay finite, and harm no token that does not see them") {
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 1);
    attention_shape const shape{1, 1, 16, 1.0F};
    rope_parameters const rope{10000.0F, 1.0F, 16, true, {}};
    auto kv = device->create_kv_memory({1, 16, 1, 1, 16});
    REQUIRE(kv);
    std::vector<float> values(2 * 16, 1.0F);
    for (std::size_t i = 16; i < 32; ++i) values[i] = 1e9F;
    device_floats const queries(*device, std::vector<float>(2 * 16, 0.0F));
    device_floats const keys(*device, std::vector<float>(2 * 16, 1.0F));
    device_floats const stored(*device, values);
    device_floats const out(*device, 2 * 16);
    std::vector<std::uint32_t> const blocks{0};
    sequence_span const span{0, 2, 0, blocks};
    device->rotate_and_store(queries.get(), keys.get(), stored.get(), {&span, 1}, shape, rope, **kv, 0);
    device->attend(queries.get(), {&span, 1}, shape, **kv, 0, out.get());
    auto const read = out.read();
    CHECK(read[0] == 1.0F);
    CHECK(read[16] == Approx((65504.0 + 1) / 2));
  }
}

} // namespace mayfly::gpu::testing
