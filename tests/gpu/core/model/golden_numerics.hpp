#pragma once
// Reads tests/golden/numerics/NAME.bin, whose README has the layout.
#include "protocol/base/ephemeral.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace mayfly::gpu::testing {

/// What the reference says after every token of a sequence.
struct golden_sequence {
  std::vector<token_id> tokens;    ///< [T]
  std::vector<std::uint16_t> best; ///< [T][top], best first
  std::vector<float> logprobs;     ///< [T][top]
};

struct golden_numerics {
  std::uint32_t vocabulary = 0;
  std::uint32_t top = 0;
  std::vector<golden_sequence> sequences;
};

inline golden_numerics read_golden_numerics(std::string const& name) {
  std::ifstream file(std::string(MAYFLY_SOURCE_DIR) + "/tests/golden/numerics/" + name + ".bin",
                     std::ios::binary);
  REQUIRE(file.good());
  std::vector<char> const bytes{std::istreambuf_iterator<char>(file), {}};
  std::size_t at = 4;
  auto const fill = [&](auto& values, std::size_t count) {
    values.resize(count);
    auto const size = count * sizeof values[0];
    REQUIRE(at + size <= bytes.size());
    std::memcpy(values.data(), bytes.data() + at, size);
    at += size;
  };
  REQUIRE(bytes.size() > 16);
  REQUIRE(std::memcmp(bytes.data(), "MLP1", 4) == 0);
  std::vector<std::uint32_t> header;
  fill(header, 3);
  golden_numerics read{header[0], header[1], {}};
  for (std::uint32_t index = 0; index < header[2]; ++index) {
    std::vector<std::uint32_t> length;
    fill(length, 1);
    auto& sequence = read.sequences.emplace_back();
    fill(sequence.tokens, length[0]);
    fill(sequence.best, std::size_t{length[0]} * read.top);
    fill(sequence.logprobs, std::size_t{length[0]} * read.top);
  }
  CHECK(at == bytes.size());
  return read;
}

} // namespace mayfly::gpu::testing
