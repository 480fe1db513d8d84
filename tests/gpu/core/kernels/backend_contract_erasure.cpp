// What the backend erases, and when: of KV blocks, activations and scratch.
#include "gpu/kernels/cpu/cpu_backend.hpp"
#include "gpu/kernels/cpu/paged_kv.hpp"
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace mayfly::gpu::testing {
namespace {

bool all_zero(std::byte const* from, std::size_t bytes) {
  return std::all_of(from, from + bytes, [](std::byte each) { return each == std::byte{0}; });
}

// Fills every block of a cache of 4 through both layers.
std::unique_ptr<kv_memory> filled_cache(backend& device, kv_precision precision) {
  random_numbers random(41);
  attention_shape const shape{2, 1, 32, 0.2F};
  rope_parameters const rope{10000.0F, 1.0F, 32, true, {}};
  auto kv = device.create_kv_memory({4, 16, 2, 1, 32, precision});
  REQUIRE(kv);
  device_floats const q(device, random.uniforms(64 * 2 * 32));
  device_floats const k(device, random.uniforms(64 * 32));
  device_floats const out(device, 64 * 2 * 32);
  std::vector<std::uint32_t> const blocks{0, 1, 2, 3};
  sequence_span const span{0, 64, 0, blocks};
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    device.rotate_and_store(q.get(), k.get(), k.get(), {&span, 1}, shape, rope, **kv, layer);
    device.attend(q.get(), {&span, 1}, shape, **kv, layer, out.get());
  }
  return std::move(*kv);
}

} // namespace

TEST_CASE("wiped KV blocks are zero to the last byte, and no other block is touched") {
  for (auto const set : available_sets()) {
    for (auto const precision : {kv_precision::f16, kv_precision::f32}) {
      auto const device = backend_for(set, 2);
      auto const kv = filled_cache(*device, precision);
      auto const& cache = cpu::of(*kv);
      auto const bytes = cache.shape().block_bytes();
      std::vector<std::byte> const kept(cache.block(1), cache.block(1) + bytes);
      REQUIRE_FALSE(all_zero(cache.block(0), bytes));
      REQUIRE_FALSE(all_zero(cache.block(3), bytes));
      std::vector<std::uint32_t> const blocks{3, 0};
      device->wipe_blocks(*kv, blocks);
      CHECK(all_zero(cache.block(0), bytes));
      CHECK(all_zero(cache.block(3), bytes));
      CHECK(std::equal(kept.begin(), kept.end(), cache.block(1)));
    }
  }
}

TEST_CASE("a new KV cache is zero") {
  auto const device = backend_for(instruction_set::portable, 1);
  auto const kv = device->create_kv_memory({4, 16, 2, 1, 32});
  REQUIRE(kv);
  CHECK(all_zero(cpu::of(**kv).block(0), 4 * cpu::of(**kv).shape().block_bytes()));
}

TEST_CASE("scrub zeroes what kernels keep between steps") {
  random_numbers random(42);
  for (auto const set : available_sets()) {
    auto const device = backend_for(set, 2);
    auto const kv = filled_cache(*device, kv_precision::f16);
    auto const weight = random_tensor(tensor_type::q8_0, 32, 64, random);
    auto const packed = prepared(*device, weight.view());
    device_floats const x(*device, random.uniforms(20 * 64));
    device_floats const out(*device, 20 * 32);
    device->multiply_add(*packed, x.get(), 20, out.get());
    auto const scratch = static_cast<cpu::cpu_backend&>(*device).scratch_areas();
    auto const dirty = [](auto area) { return !all_zero(area.data(), area.size()); };
    REQUIRE(std::ranges::count_if(scratch, dirty) >= 2); // quantised activations and the threads' scratch
    device->scrub();
    CHECK(std::ranges::count_if(scratch, dirty) == 0);
  }
}

TEST_CASE("allocated activations are zero, also where others were released before") {
  for (auto const set : available_sets()) {
    auto const device = backend_for(set, 1);
    float* const first = device->allocate(5000);
    REQUIRE(first != nullptr);
    std::fill_n(first, 5000, 1.5F);
    device->release(first, 5000);
    float* const second = device->allocate(5000);
    REQUIRE(second != nullptr);
    CHECK(std::all_of(second, second + 5000, [](float each) { return each == 0.0F; }));
    device->release(second, 5000);
  }
}

TEST_CASE("wipe zeroes activations in place") {
  auto const device = backend_for(instruction_set::portable, 1);
  device_floats const x(*device, std::vector<float>{1, 2, 3, 4});
  device->wipe(x.get() + 1, 2);
  CHECK(x.read() == std::vector<float>{1, 0, 0, 4});
}

} // namespace mayfly::gpu::testing
