// What the CUDA backend's memory holds, and when it is zero: the arena, KV blocks, workspaces, pinned memory.
#include "gpu/kernels/emulation/queue.hpp"
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

namespace mayfly::gpu::testing {
namespace {

bool all_zero(std::span<std::byte const> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte each) { return each == std::byte{0}; });
}

std::size_t nonzero_bytes(cuda::cuda_backend const& device) {
  std::size_t count = 0;
  for (auto const area : device.content_memory())
    count += static_cast<std::size_t>(
        std::count_if(area.begin(), area.end(), [](std::byte each) { return each != std::byte{0}; }));
  return count;
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

std::span<std::byte const> block_of(kv_memory const& kv, std::uint32_t index) {
  return {cuda::of(kv).block(index), cuda::of(kv).shape().block_bytes()};
}

} // namespace

TEST_CASE("wiped KV blocks of a device are zero to the last byte, and no other block is touched") {
  for (auto const precision : {kv_precision::f16, kv_precision::f32}) {
    auto const device = emulated_cuda();
    auto const kv = filled_cache(*device, precision);
    auto const untouched = block_of(*kv, 2);
    std::vector<std::byte> const kept(untouched.begin(), untouched.end());
    for (std::uint32_t block = 0; block < 4; ++block) REQUIRE_FALSE(all_zero(block_of(*kv, block)));
    std::vector<std::uint32_t> const blocks{3, 0, 1}; // two of them neighbours
    device->wipe_blocks(*kv, blocks);
    for (auto const block : blocks) CHECK(all_zero(block_of(*kv, block)));
    CHECK(std::equal(kept.begin(), kept.end(), untouched.begin()));
  }
}

TEST_CASE("all that may hold content is zero after everything was released and scrubbed") {
  random_numbers random(42);
  auto const device = emulated_cuda();
  auto const weight = random_tensor(tensor_type::q8_0, 32, 64, random);
  auto const packed = prepared(*device, weight.view());
  {
    auto const kv = filled_cache(*device, kv_precision::f16);
    device_floats const x(*device, random.uniforms(std::size_t{80} * 64));
    device_floats const out(*device, std::size_t{80} * 32);
    device->gated_up(*packed, *packed, x.get(), 80, out.get());
    std::vector<draw_parameters> const rows(2, {1.0F, 0.9F});
    std::vector<token_id> tokens(2);
    device->draw(out.get(), 32, rows, tokens);
    REQUIRE(out.read()[0] != 0);
    REQUIRE(device->synchronize());
  }
  CHECK(nonzero_bytes(*device) > 10000); // workspaces, tables and staging are still to be scrubbed
  device->scrub();
  CHECK(nonzero_bytes(*device) == 0);
}

TEST_CASE("scrubbing leaves what is in use: KV and activations") {
  auto const device = emulated_cuda();
  auto const kv = filled_cache(*device, kv_precision::f16);
  device_floats const x(*device, {1, 2, 3});
  device->scrub();
  CHECK_FALSE(all_zero(block_of(*kv, 0)));
  CHECK(x.read() == std::vector<float>{1, 2, 3});
}

TEST_CASE(
    "allocated memory is zero, also where others were released before, and neighbours grow together again") {
  auto const device = emulated_cuda();
  auto const kept = device->allocate(100);
  std::vector<float*> pieces;
  for (int i = 0; i < 8; ++i) pieces.push_back(device->allocate(10000));
  std::vector<float> const ones(10000, 1.5F);
  for (auto* const each : pieces) device->upload(ones, each);
  for (auto const index : {1U, 3U, 2U, 0U, 7U, 5U, 6U, 4U}) device->release(pieces[index], 10000);
  auto* const large = device->allocate(80000); // fits only where all eight were
  CHECK(large == pieces[0]);
  std::vector<float> read(80000, 1.0F);
  device->download(large, read);
  CHECK(std::all_of(read.begin(), read.end(), [](float each) { return each == 0; }));
  device->release(large, 80000);
  device->release(kept, 100);
}

TEST_CASE("a device without memory is told of, by each who asks for some") {
  random_numbers random(43);
  emulation::queue_faults faults;
  faults.memory_bytes = std::size_t{2} << 20U;
  auto const device = emulated_cuda(faults);
  CHECK(device->allocate(std::size_t{1} << 20U) == nullptr);
  auto const kv = device->create_kv_memory({1000, 16, 2, 8, 64});
  REQUIRE_FALSE(kv);
  CHECK(kv.failure().code == errc::out_of_memory);
  auto const tensor = random_tensor(tensor_type::f32, 1024, 1024, random);
  auto const weight = device->prepare(tensor.view(), {0, 1024}, {0, 1024});
  REQUIRE_FALSE(weight);
  CHECK(weight.failure().code == errc::out_of_memory);
  // A workspace that does not fit: the operation does nothing, and synchronize says so, once.
  auto const small = random_tensor(tensor_type::bf16, 16, 64, random);
  auto const packed = prepared(*device, small.view());
  auto* const x = device->allocate(64);
  device->multiply_add(*packed, x, std::size_t{1} << 16U, x);
  auto const failed = device->synchronize();
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().code == errc::backend_failed);
  CHECK(device->synchronize());
  device->release(x, 64);
}

TEST_CASE("a kernel that breaks a rule fails synchronize, now and later") {
  auto const device = emulated_cuda();
  device_floats const x(*device, {1, 2, 3});
  static_cast<emulation::emulated_queue&>(device->queue()).break_down();
  auto const failed = device->synchronize();
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().code == errc::backend_failed);
  CHECK_FALSE(device->synchronize());
}

} // namespace mayfly::gpu::testing
