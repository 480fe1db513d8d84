// Operations over single rows, and errors, of the backend contract, for every device.
#include "gpu/formats/dequantise.hpp"
#include "gpu/formats/half.hpp"
#include "gpu/kernels/emulation/matrix.hpp"
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu::testing {

namespace {

/// What a device keeps of a weight: CUDA expands the types that its kernels do not read to bf16.
float kept(tested_device device, tensor_type type, float value) {
  if (!device.cuda || cuda::storage_for(type) != cuda::storage::bf16) return value;
  return bfloat_to_float(static_cast<std::uint16_t>(emulation::bfloat_bits(value)));
}

} // namespace

TEST_CASE("embed gives rows exactly as the reference dequantises them, as far as the device keeps them") {
  random_numbers random(21);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const type : every_type) {
      auto const table = random_tensor(type, 45, 512, random);
      auto const packed = prepared(*device, table.view());
      std::vector<token_id> const tokens{44, 0, 17, 16, 15, 17};
      device_floats const out(*device, tokens.size() * 512);
      device->embed(*packed, 0, tokens, out.get());
      std::vector<float> expected;
      std::vector<float> row(512);
      for (auto const token : tokens) {
        REQUIRE(dequantise_row(table.view(), static_cast<std::uint64_t>(token), row));
        for (auto const value : row) expected.push_back(kept(tested, type, value));
      }
      INFO(device->name().view() << " " << name_of(type));
      CHECK(out.read() == expected);
    }
  }
}

TEST_CASE("embed by a rank's part of the table gives zeros for tokens whose rows it does not hold") {
  random_numbers random(26);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const type : {tensor_type::f32, tensor_type::q8_0}) {
      auto const table = random_tensor(type, 40, 64, random);
      auto const part = device->prepare(table.view(), {10, 30}, {0, 64});
      REQUIRE(part);
      std::vector<token_id> const tokens{9, 10, 29, 30, 0, 39};
      device_floats const out(*device, std::vector<float>(tokens.size() * 64, 7.0F));
      device->embed(**part, 10, tokens, out.get());
      std::vector<float> expected(tokens.size() * 64);
      REQUIRE(dequantise_row(table.view(), 10, std::span(expected).subspan(64, 64)));
      REQUIRE(dequantise_row(table.view(), 29, std::span(expected).subspan(128, 64)));
      INFO(device->name().view() << " " << name_of(type));
      CHECK(out.read() == expected);
    }
  }
}

TEST_CASE("rms_norm is what double precision says, for any width") {
  random_numbers random(22);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (std::size_t const width : {1U, 15U, 16U, 100U, 576U, 4096U}) {
      auto const weight = random.uniforms(width);
      auto const x = random.uniforms(7 * width);
      auto const tensor = float_tensor(weight, 1);
      auto const packed = prepared(*device, tensor.view());
      device_floats const in(*device, x);
      device_floats const out(*device, x.size());
      device->rms_norm(in.get(), 7, *packed, 1e-5F, out.get());
      INFO(device->name().view() << " width " << width);
      CHECK(largest_difference(out.read(), normalised(x, weight, 1e-5F)) < 1e-5);
    }
  }
}

TEST_CASE("rms_norm may write over its input") {
  random_numbers random(23);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    auto const x = random.uniforms(3 * 100);
    auto const tensor = float_tensor(random.uniforms(100), 1);
    auto const packed = prepared(*device, tensor.view());
    device_floats const in(*device, x);
    device_floats const out(*device, x.size());
    device->rms_norm(in.get(), 3, *packed, 1e-5F, out.get());
    device->rms_norm(in.get(), 3, *packed, 1e-5F, in.get());
    CHECK(in.read() == out.read());
  }
}

TEST_CASE("gather picks rows in the order asked for") {
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 1);
    device_floats const in(*device, {1, 2, 3, 4, 5, 6});
    device_floats const out(*device, 4);
    std::vector<std::uint32_t> const rows{2, 0};
    device->gather(in.get(), 2, rows, out.get());
    CHECK(out.read() == std::vector<float>{5, 6, 1, 2});
  }
}

TEST_CASE("prepare refuses columns that cut a quantisation block") {
  random_numbers random(24);
  auto const device = backend_for(instruction_set::portable, 1);
  for (auto const type : every_type) {
    auto const tensor = random_tensor(type, 4, 512, random);
    auto const whole = type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16;
    auto const packed = device->prepare(tensor.view(), {0, 4}, {16, 512});
    INFO(name_of(type));
    CHECK(packed.has_value() == whole);
    if (!packed) CHECK(packed.failure().code == errc::invalid_request);
  }
}

TEST_CASE("prepare refuses ranges outside of the tensor, empty ones, and tensors with too few bytes") {
  random_numbers random(25);
  auto const device = backend_for(instruction_set::portable, 1);
  auto const tensor = random_tensor(tensor_type::q8_0, 4, 64, random);
  CHECK_FALSE(device->prepare(tensor.view(), {0, 5}, {0, 64}));
  CHECK_FALSE(device->prepare(tensor.view(), {0, 4}, {0, 96}));
  CHECK_FALSE(device->prepare(tensor.view(), {2, 2}, {0, 64}));
  CHECK_FALSE(device->prepare(tensor.view(), {3, 2}, {0, 64}));
  auto cut = tensor.view();
  cut.data = cut.data.first(cut.data.size() - 1);
  CHECK_FALSE(device->prepare(cut, {0, 4}, {0, 64}));
}

TEST_CASE("prepare refuses a storage type that it does not know") {
  auto const device = backend_for(instruction_set::portable, 1);
  std::vector<std::byte> const bytes(64);
  auto const packed = device->prepare({static_cast<tensor_type>(9), 1, 1, bytes}, {0, 1}, {0, 1});
  REQUIRE_FALSE(packed);
  CHECK(packed.failure().code == errc::unsupported);
}

TEST_CASE("an instruction set that the machine lacks is refused, the best is always there") {
  CHECK(make_cpu_backend({1, instruction_set::best}));
  CHECK(make_cpu_backend({1, instruction_set::portable}));
  CHECK_FALSE(available_sets().empty());
}

} // namespace mayfly::gpu::testing
