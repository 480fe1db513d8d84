#pragma once
// Kernels over one row of activations, in terms of the lanes of the file that includes this.
#include "gpu/kernels/cpu/kernel_table.hpp"

namespace mayfly::gpu::cpu {
namespace {

/// The first `count` < 16 numbers, zeros behind.
inline f32x16 load_some(float const* from, std::size_t count) {
  float lanes[16] = {};
  std::memcpy(lanes, from, count * sizeof(float));
  return load(lanes);
}

inline void store_some(float* to, f32x16 const& x, std::size_t count) {
  float lanes[16];
  store(lanes, x);
  std::memcpy(to, lanes, count * sizeof(float));
}

/// exp(x), relative error below 1e-7; 0 below -87 (e^-87 is 1.6e-38), e^88 above 88. x = n log 2 + r with
/// |r| <= log(2) / 2, and Taylor's series of e^r to r^7, whose rest is below 6e-9.
inline f32x16 exponential(f32x16 const& x) {
  auto const bounded = smaller(broadcast(88.0F), larger(broadcast(-87.0F), x));
  auto const n = to_int(multiply(bounded, broadcast(1.44269504F)));
  auto const whole = to_float(n);
  // log 2 in two parts, the first with few enough bits that n times it is exact (Cody and Waite, 1980).
  auto r = multiply_add(whole, broadcast(-0.693359375F), bounded);
  r = multiply_add(whole, broadcast(2.12194440e-4F), r);
  constexpr float coefficients[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F};
  auto sum = broadcast(1.0F / 5040);
  for (float const coefficient : coefficients) sum = multiply_add(sum, r, broadcast(coefficient));
  return zero_where_less(x, broadcast(-87.0F), multiply(sum, power_of_two(n)));
}

inline f32x16 silu(f32x16 const& x) {
  return divide(x, add(broadcast(1.0F), exponential(subtract(zero(), x))));
}

void gate(float const* gates, float const* ups, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; i += 16) store(out + i, multiply(silu(load(gates + i)), load(ups + i)));
}

void rms_norm(float const* x, float const* weight, std::size_t width, float epsilon, float* out) {
  auto squares = zero();
  std::size_t i = 0;
  for (; i + 16 <= width; i += 16) squares = multiply_add(load(x + i), load(x + i), squares);
  auto const rest = width - i;
  if (rest != 0) squares = multiply_add(load_some(x + i, rest), load_some(x + i, rest), squares);
  auto const mean = sum_of(squares) / static_cast<float>(width);
  auto const factor = broadcast(1.0F / __builtin_sqrtf(mean + epsilon));
  for (i = 0; i + 16 <= width; i += 16)
    store(out + i, multiply(multiply(load(x + i), factor), load(weight + i)));
  if (rest == 0) return;
  store_some(out + i, multiply(multiply(load_some(x + i, rest), factor), load_some(weight + i, rest)), rest);
}

/// The high and low bytes of 16 integers; see tile_code_bytes. Halves cannot occur in the division: 255 is
/// odd.
inline void split_codes(i32x16 const& codes, std::int8_t* high, std::int8_t* low) {
  auto const upper = to_int(multiply(to_float(codes), broadcast(1.0F / 255)));
  store_s8(high, upper);
  store_s8(low, subtract_int(codes, times_255(upper)));
}

/// Quantises 32 columns, round to nearest; writes the bytes and the five numbers of a tile's block for one of
/// `width` tokens. Infinities and NaN, which only a broken model makes, give zeros times such a scale.
inline void quantise_block(float const* x, std::size_t width, std::int8_t* bytes, std::byte* numbers) {
  auto const first = load(x);
  auto const second = load(x + 16);
  float const largest = largest_of(larger(magnitude(first), magnitude(second)));
  float const step = largest / largest_code;
  bool const usable = step > 1e-37F && step < 1e37F;
  auto const inverse = broadcast(usable ? 1.0F / step : 0.0F);
  auto const left = to_int(multiply(first, inverse));
  auto const right = to_int(multiply(second, inverse));
  std::int8_t columns[tile_code_bytes];
  split_codes(left, columns, columns + 32);
  split_codes(right, columns + 16, columns + 48);
  for (std::size_t v = 0; v < 16; ++v) std::memcpy(bytes + v * width * 4, columns + v * 4, 4);
  std::int32_t const sums[] = {sum_of_int(left), sum_of_int(right)};
  float const scales[] = {step, step * static_cast<float>(sums[0] + sums[1])};
  std::int32_t const corrections[] = {-(sums[0] + sums[1]), -sums[0], -sums[1]};
  for (std::size_t i = 0; i < 2; ++i) std::memcpy(numbers + i * width * 4, scales + i, 4);
  for (std::size_t i = 0; i < 3; ++i) std::memcpy(numbers + (i + 2) * width * 4, corrections + i, 4);
}

void quantise(float const* x, std::size_t stride, std::size_t tokens, std::size_t width, std::size_t blocks,
              std::byte* tile) {
  auto* const numbers = tile + blocks * tile_code_bytes * width;
  if (tokens < width) std::memset(tile, 0, blocks * width * tile_block_bytes);
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t block = 0; block < blocks; ++block) {
      quantise_block(x + token * stride + block * 32, width,
                     reinterpret_cast<std::int8_t*>(tile) + block * tile_code_bytes * width + token * 4,
                     numbers + block * tile_number_bytes * width + token * 4);
    }
  }
}

void rotate(float* head, float const* cosines, float const* sines, std::size_t dims, bool interleaved) {
  auto const pairs = dims / 2;
  auto const second = interleaved ? std::size_t{1} : pairs;
  auto const step = interleaved ? std::size_t{2} : std::size_t{1};
  for (std::size_t i = 0; i < pairs; ++i) {
    float const x = head[i * step];
    float const y = head[i * step + second];
    head[i * step] = x * cosines[i] - y * sines[i];
    head[i * step + second] = x * sines[i] + y * cosines[i];
  }
}

void to_half(float const* from, std::size_t count, std::uint16_t* to) {
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) store_half(to + i, load(from + i));
  if (i == count) return;
  std::uint16_t last[16];
  store_half(last, load_some(from + i, count - i));
  std::memcpy(to + i, last, (count - i) * sizeof(std::uint16_t));
}

} // namespace
} // namespace mayfly::gpu::cpu
