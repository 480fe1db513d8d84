#include "gpu/kernels/emulation/matrix.hpp"

#include "gpu/formats/half.hpp"

#include <array>

namespace mayfly::gpu::emulation {
namespace {

constexpr std::size_t rows = 16;
constexpr std::size_t inner = 16;
constexpr std::size_t columns = 8;

struct decoded_pair {
  float low;
  float high;
};

decoded_pair decode_bfloats(std::uint32_t pair) {
  return {bfloat_to_float(static_cast<std::uint16_t>(pair)),
          bfloat_to_float(static_cast<std::uint16_t>(pair >> 16U))};
}
decoded_pair decode_halves(std::uint32_t pair) {
  return {half_to_float(static_cast<std::uint16_t>(pair)),
          half_to_float(static_cast<std::uint16_t>(pair >> 16U))};
}

template <decoded_pair (*decode)(std::uint32_t)>
void multiply(matrix_fragment* lanes) {
  std::array<std::array<float, inner>, rows> a;
  std::array<std::array<float, columns>, inner> b;
  std::array<std::array<float, columns>, rows> sums;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    auto const& mine = lanes[lane];
    auto const g = lane / 4;
    auto const t = lane % 4;
    for (std::size_t part = 0; part < 4; ++part) {
      auto const pair = decode(mine.a[part]);
      auto const row = g + part % 2 * 8;
      auto const column = 2 * t + part / 2 * 8;
      a[row][column] = pair.low;
      a[row][column + 1] = pair.high;
      sums[g + part / 2 * 8][2 * t + part % 2] = mine.sums[part];
    }
    for (std::size_t part = 0; part < 2; ++part) {
      auto const pair = decode(mine.b[part]);
      b[2 * t + part * 8][g] = pair.low;
      b[2 * t + part * 8 + 1][g] = pair.high;
    }
  }
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t k = 0; k < inner; ++k)
      for (std::size_t column = 0; column < columns; ++column) sums[row][column] += a[row][k] * b[k][column];
  for (std::size_t lane = 0; lane < 32; ++lane)
    for (std::size_t part = 0; part < 4; ++part)
      lanes[lane].sums[part] = sums[lane / 4 + part / 2 * 8][2 * (lane % 4) + part % 2];
}

} // namespace

std::uint32_t bfloat_bits(float value) noexcept {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return (bits >> 16U) | 0x40U;
  return (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
}

void multiply_bfloats(void* lanes, std::uint32_t) {
  multiply<decode_bfloats>(static_cast<matrix_fragment*>(lanes));
}
void multiply_halves(void* lanes, std::uint32_t) {
  multiply<decode_halves>(static_cast<matrix_fragment*>(lanes));
}

} // namespace mayfly::gpu::emulation
