#include "gpu/formats/dequantise.hpp"

#include "gpu/formats/half.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

namespace mayfly::gpu {
namespace {

struct golden_blocks {
  tensor_type type = tensor_type::f32;
  std::vector<std::byte> bytes;
  std::vector<float> expected;
};

// tests/golden/README.md: u32 type, elements, bytes; the bytes; the floats that gguf-py makes of them.
golden_blocks read_golden(std::string const& name) {
  std::ifstream file(MAYFLY_SOURCE_DIR "/tests/golden/quantization/" + name + ".bin", std::ios::binary);
  std::uint32_t head[3] = {};
  REQUIRE(file.read(reinterpret_cast<char*>(head), sizeof head));
  golden_blocks golden{static_cast<tensor_type>(head[0]), std::vector<std::byte>(head[2]),
                       std::vector<float>(head[1])};
  REQUIRE(file.read(reinterpret_cast<char*>(golden.bytes.data()), head[2]));
  REQUIRE(file.read(reinterpret_cast<char*>(golden.expected.data()), head[1] * std::streamsize{4}));
  return golden;
}

} // namespace

TEST_CASE("every storage type dequantises to exactly what gguf-py says") {
  for (std::string const name :
       {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"}) {
    auto const golden = read_golden(name);
    std::vector<float> row(golden.expected.size());
    REQUIRE(dequantise_row({golden.type, 1, row.size(), golden.bytes}, 0, row));
    std::size_t different = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      auto const same =
          row[i] == golden.expected[i] || (std::isnan(row[i]) && std::isnan(golden.expected[i]));
      different += same || !std::isfinite(golden.expected[i]) ? 0U : 1U;
    }
    INFO(name);
    CHECK(different == 0);
  }
}

TEST_CASE("rows outside of a tensor, short data and wrong lengths are refused") {
  std::vector<std::byte> const bytes(2 * 34);
  std::vector<float> row(32);
  tensor_view const tensor{tensor_type::q8_0, 2, 32, bytes};
  CHECK(dequantise_row(tensor, 1, row));
  CHECK_FALSE(dequantise_row(tensor, 2, row));
  CHECK_FALSE(dequantise_row({tensor_type::q8_0, 3, 32, bytes}, 0, row));
  CHECK_FALSE(dequantise_row({static_cast<tensor_type>(4), 2, 32, bytes}, 0, row));
  row.resize(31);
  CHECK_FALSE(dequantise_row(tensor, 0, row));
}

TEST_CASE("every half-precision number survives the way to float and back") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto const half = static_cast<std::uint16_t>(bits);
    auto const value = half_to_float(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(half_to_float(float_to_half_clamped(value))));
    } else if (!std::isinf(value) && float_to_half_clamped(value) != half) {
      FAIL("half " << bits);
    }
  }
}

TEST_CASE("floats round to the nearest half, ties to even, and are clamped to finite ones") {
  CHECK(float_to_half_clamped(1.0F + 0x1p-11F) == 0x3C00);
  CHECK(float_to_half_clamped(1.0F + 0x1.8p-10F) == 0x3C02);
  CHECK(float_to_half_clamped(1.0F + 0x1.1p-11F) == 0x3C01);
  CHECK(float_to_half_clamped(0x1p-25F) == 0);
  CHECK(float_to_half_clamped(0x1.8p-25F) == 1);
  CHECK(float_to_half_clamped(65519.0F) == 0x7BFF);
  CHECK(float_to_half_clamped(1e30F) == 0x7BFF);
  CHECK(float_to_half_clamped(-std::numeric_limits<float>::infinity()) == 0xFBFF);
}

} // namespace mayfly::gpu
