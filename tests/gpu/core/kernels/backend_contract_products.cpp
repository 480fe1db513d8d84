// Products of the backend contract, for every device and storage type.
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>
#include <cmath>

namespace mayfly::gpu::testing {
namespace {

// Processors: of float weights only rounding; of quantised ones a backend may round activations, to no less
// than 15 bits with a scale for every 32: an error of 1/32512/sqrt(12) of the largest, more where products
// cancel. CUDA: f32 is multiplied in f32. Large products round activations and expanded weights to bf16, an
// error of 2^-9/sqrt(3) of each, more where products cancel; products of few tokens are held to more in
// cuda/.
double tolerance(tested_device device, tensor_type type) {
  if (device.cuda) return type == tensor_type::f32 ? 1e-6 : 5e-3;
  auto const plain = type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16;
  return plain ? 1e-6 : 1e-4;
}

struct product_case {
  std::uint64_t rows;
  std::uint64_t columns;
  std::size_t tokens;
};

std::vector<float> run_multiply(backend& device, stored_tensor const& weight, std::vector<float> const& x) {
  auto const packed = prepared(device, weight.view());
  auto const tokens = x.size() / weight.columns;
  device_floats const in(device, x);
  device_floats const out(device, tokens * weight.rows);
  packed_weight const* const weights[] = {packed.get()};
  float* const outs[] = {out.get()};
  device.multiply(weights, in.get(), tokens, outs);
  REQUIRE(device.synchronize());
  return out.read();
}

} // namespace

TEST_CASE("a product is what double precision says, for every storage type and shape") {
  random_numbers random(1);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const type : every_type) {
      for (auto const& [rows, columns, tokens] : {product_case{16, 256, 1}, product_case{33, 512, 3},
                                                  product_case{7, 256, 8}, product_case{50, 768, 77}}) {
        INFO(device->name().view() << " " << name_of(type) << " " << rows << "x" << columns << "x" << tokens);
        auto const weight = random_tensor(type, rows, columns, random);
        auto const x = random.uniforms(tokens * columns);
        CHECK(relative_error(run_multiply(*device, weight, x), product(weight, x)) < tolerance(tested, type));
      }
    }
  }
}

TEST_CASE("columns of float weights need not fill blocks") {
  random_numbers random(2);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 1);
    for (auto const type : {tensor_type::f32, tensor_type::f16, tensor_type::bf16}) {
      auto const weight = random_tensor(type, 19, 37, random);
      auto const x = random.uniforms(6 * 37);
      INFO(device->name().view() << " " << name_of(type));
      CHECK(relative_error(run_multiply(*device, weight, x), product(weight, x)) < tolerance(tested, type));
    }
  }
}

TEST_CASE("weights of different types and heights may share one product") {
  random_numbers random(3);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    std::vector<stored_tensor> tensors;
    for (auto const type : every_type)
      tensors.push_back(random_tensor(type, 20 + tensors.size(), 256, random));
    std::vector<std::unique_ptr<packed_weight>> packed;
    std::vector<std::unique_ptr<device_floats>> outs;
    std::vector<packed_weight const*> weights;
    std::vector<float*> pointers;
    for (auto const& tensor : tensors) {
      packed.push_back(prepared(*device, tensor.view()));
      outs.push_back(std::make_unique<device_floats>(*device, 5 * tensor.rows));
      weights.push_back(packed.back().get());
      pointers.push_back(outs.back()->get());
    }
    auto const x = random.uniforms(5 * 256);
    device_floats const in(*device, x);
    device->multiply(weights, in.get(), 5, pointers);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      INFO(device->name().view() << " " << name_of(tensors[i].type));
      CHECK(relative_error(outs[i]->read(), product(tensors[i], x)) < tolerance(tested, tensors[i].type));
    }
  }
}

TEST_CASE("multiply_add keeps what was there") {
  random_numbers random(4);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const type : every_type) {
      auto const weight = random_tensor(type, 40, 256, random);
      auto const x = random.uniforms(3 * 256);
      auto const before = random.uniforms(3 * 40);
      auto const packed = prepared(*device, weight.view());
      device_floats const in(*device, x);
      device_floats const out(*device, before);
      device->multiply_add(*packed, in.get(), 3, out.get());
      auto expected = product(weight, x);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(before[i]);
      INFO(device->name().view() << " " << name_of(type));
      CHECK(relative_error(out.read(), expected) < tolerance(tested, type));
    }
  }
}

TEST_CASE("gated_up is silu of the gate times up") {
  random_numbers random(5);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 2);
    for (auto const type : every_type) {
      auto const gate = random_tensor(type, 35, 256, random);
      auto const up = random_tensor(type, 35, 256, random);
      auto const x = random.uniforms(9 * 256);
      auto const packed_gate = prepared(*device, gate.view());
      auto const packed_up = prepared(*device, up.view());
      device_floats const in(*device, x);
      device_floats const out(*device, 9 * 35);
      device->gated_up(*packed_gate, *packed_up, in.get(), 9, out.get());
      auto expected = product(gate, x);
      auto const ups = product(up, x);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= ups[i] / (1 + std::exp(-expected[i]));
      INFO(device->name().view() << " " << name_of(type));
      CHECK(relative_error(out.read(), expected) < 3 * tolerance(tested, type));
    }
  }
}

TEST_CASE("a product of a slice is the slice of the product") {
  random_numbers random(6);
  for (auto const tested : available_devices()) {
    auto const device = backend_for(tested, 1);
    for (auto const type : every_type) {
      auto const weight = random_tensor(type, 48, 768, random);
      auto slice = float_tensor(std::vector<float>(21 * 256), 21);
      auto const values = weight.values();
      std::vector<float> cut;
      for (std::size_t row = 5; row < 26; ++row) {
        for (std::size_t column = 256; column < 512; ++column) {
          cut.push_back(static_cast<float>(values[row * 768 + column]));
        }
      }
      slice = float_tensor(cut, 21);
      auto const packed = device->prepare(weight.view(), {5, 26}, {256, 512});
      REQUIRE(packed);
      CHECK((*packed)->rows() == 21);
      CHECK((*packed)->columns() == 256);
      auto const x = random.uniforms(256);
      device_floats const in(*device, x);
      device_floats const out(*device, 21);
      device->multiply_add(**packed, in.get(), 1, out.get());
      INFO(device->name().view() << " " << name_of(type));
      CHECK(relative_error(out.read(), product(slice, x)) < tolerance(tested, type));
    }
  }
}

} // namespace mayfly::gpu::testing
