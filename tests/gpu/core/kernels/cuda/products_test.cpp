// Products of few tokens, held to more than the contract asks: over shapes that fill nothing, in buffers
// without a byte to spare, so that AddressSanitizer sees what reads too far.
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/pack.hpp"
#include "gpu/kernels/emulation/matrix.hpp"
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu::testing {
namespace {

/// A tensor's planes in a buffer of just their size.
struct packed_host {
  explicit packed_host(stored_tensor const& tensor)
      : layout(cuda::plan_layout(cuda::storage_for(tensor.type), tensor.rows, tensor.columns)),
        bytes(layout.bytes) {
    for (std::uint64_t row = 0; row < tensor.rows; ++row)
      cuda::pack_row(tensor.view(), {0, tensor.rows}, {0, tensor.columns}, layout, row, bytes.data());
  }
  cuda::matrix_view view() const { return layout.at(bytes.data()); }

  cuda::packed_layout layout;
  std::vector<std::byte> bytes;
};

std::vector<float> run_few(stored_tensor const& weight, std::vector<float> const& x, std::vector<float> out,
                           bool adds) {
  packed_host const packed(weight);
  emulation::emulated_queue queue;
  auto const tokens = static_cast<std::uint32_t>(x.size() / weight.columns);
  cuda::multiply_few(queue, packed.view(), x.data(), tokens, out.data(), adds);
  INFO(queue.broken());
  REQUIRE(queue.wait());
  return out;
}

void check_shape(tensor_type type, std::uint64_t rows, std::uint64_t columns, std::size_t tokens,
                 random_numbers& random) {
  INFO(name_of(type) << " " << rows << "x" << columns << "x" << tokens);
  auto const weight = random_tensor(type, rows, columns, random);
  auto const x = random.uniforms(tokens * columns);
  auto expected = product(weight, x);
  // Tokens are two bf16, 16 bits of fraction; an f16 weight times the rest of a token leaves 2^-17 of it out.
  auto const tolerance = type == tensor_type::f32 ? 1e-6 : 3e-5;
  auto const before = random.uniforms(tokens * rows);
  CHECK(relative_error(run_few(weight, x, before, false), expected) < tolerance);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(before[i]);
  CHECK(relative_error(run_few(weight, x, before, true), expected) < tolerance);
}

tensor_type const read_as_stored[] = {tensor_type::f32,  tensor_type::f16,  tensor_type::bf16,
                                      tensor_type::q8_0, tensor_type::q4_k, tensor_type::q6_k};

} // namespace

TEST_CASE("a product of one to sixteen tokens is exact to the tokens' 16 bits, for each count") {
  random_numbers random(101);
  for (auto const type : read_as_stored)
    for (std::size_t tokens = 1; tokens <= cuda::few_tokens; ++tokens)
      check_shape(type, 20, 256, tokens, random);
}

TEST_CASE("products of few tokens take any number of rows and more columns than warps share out at once") {
  random_numbers random(102);
  for (auto const type : read_as_stored) {
    for (std::uint64_t const rows : {1U, 15U, 16U, 17U, 40U})
      for (std::size_t const tokens : {1U, 9U}) check_shape(type, rows, 512, tokens, random);
    check_shape(type, 3, std::uint64_t{9} * 256, 3, random);
  }
}

TEST_CASE("columns that fill no granule: Q8_0 by blocks, floats by one") {
  random_numbers random(103);
  for (std::uint64_t const columns : {32U, 96U, 288U}) check_shape(tensor_type::q8_0, 18, columns, 5, random);
  for (auto const type : {tensor_type::f32, tensor_type::f16, tensor_type::bf16})
    for (std::uint64_t const columns : {1U, 3U, 37U, 64U, 130U, 576U})
      check_shape(type, 18, columns, 5, random);
}

TEST_CASE("a token's product is the same to the bit beside any number of others up to sixteen") {
  random_numbers random(104);
  for (auto const type : read_as_stored) {
    auto const weight = random_tensor(type, 33, 768, random);
    auto const x = random.uniforms(std::size_t{16} * 768);
    auto const all = run_few(weight, x, std::vector<float>(std::size_t{16} * 33), false);
    for (std::size_t const tokens : {1U, 5U, 8U, 9U}) {
      std::vector<float> const some(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(tokens * 768));
      auto const out = run_few(weight, some, std::vector<float>(tokens * 33), false);
      INFO(name_of(type) << " " << tokens);
      CHECK(std::equal(out.begin(), out.end(), all.begin()));
    }
  }
}

TEST_CASE("products of seventeen to eighty tokens agree with double precision, whoever multiplies") {
  random_numbers random(105);
  auto const device = emulated_cuda();
  for (auto const type : every_type) {
    auto const weight = random_tensor(type, 70, 512, random);
    auto const packed = prepared(*device, weight.view());
    for (std::size_t const tokens : {17U, 31U, 40U, 64U, 65U, 80U}) {
      auto const x = random.uniforms(tokens * 512);
      device_floats const in(*device, x);
      device_floats const out(*device, tokens * 70);
      packed_weight const* const weights[] = {packed.get()};
      float* const outs[] = {out.get()};
      device->multiply(weights, in.get(), tokens, outs);
      INFO(name_of(type) << " " << tokens);
      CHECK(relative_error(out.read(), product(weight, x)) < (type == tensor_type::f32 ? 1e-6 : 3e-3));
      REQUIRE(device->synchronize());
    }
  }
}

TEST_CASE("f16 weights keep their eleven bits, which bf16 would cut to eight") {
  // 1 + 2^-10 is an f16 but no bf16.
  auto const fine = float_tensor(std::vector<float>(64, 1.0009765625F), 1);
  stored_tensor weight{tensor_type::f16, 1, 64, std::vector<std::byte>(128)};
  for (std::size_t i = 0; i < 64; ++i) {
    weight.bytes[2 * i] = std::byte{0x01};
    weight.bytes[2 * i + 1] = std::byte{0x3C};
  }
  REQUIRE(weight.values() == fine.values());
  CHECK(run_few(weight, std::vector<float>(64, 1.0F), {0}, false)[0] == 64.0625F);
}

TEST_CASE("every value of every plane lies where kernels look for it") {
  random_numbers random(106);
  for (auto const type : {tensor_type::q8_0, tensor_type::q4_k, tensor_type::q6_k}) {
    auto const tensor = random_tensor(type, 3, 768, random);
    packed_host const packed(tensor);
    std::vector<std::uint16_t> out(std::size_t{3} * 768);
    emulation::emulated_queue queue;
    cuda::expand(queue, packed.view(), 0, 3, out.data());
    REQUIRE(queue.wait());
    auto const values = tensor.values();
    for (std::size_t i = 0; i < out.size(); ++i)
      REQUIRE(out[i] == emulation::bfloat_bits(static_cast<float>(values[i])));
  }
}

} // namespace mayfly::gpu::testing
