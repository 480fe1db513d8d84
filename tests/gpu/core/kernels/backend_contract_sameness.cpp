// A token's result is bitwise the same alone and in any batch, and on any number of threads.
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu::testing {
namespace {

constexpr std::size_t columns = 512;
constexpr std::size_t rows = 70;

/// Everything that multiplies, over `tokens` tokens in steps of `step`.
struct outcome {
  std::vector<float> product;
  std::vector<float> sum;
  std::vector<float> gated;
  std::vector<float> norm;
  friend bool operator==(outcome const&, outcome const&) = default;
};

outcome run_all(backend& device, stored_tensor const& one, stored_tensor const& other,
                stored_tensor const& norm, std::vector<float> const& x, std::size_t step) {
  auto const tokens = x.size() / columns;
  auto const first = prepared(device, one.view());
  auto const second = prepared(device, other.view());
  auto const weight = prepared(device, norm.view());
  device_floats const in(device, x);
  device_floats const products(device, tokens * rows);
  device_floats const sums(device, std::vector<float>(tokens * rows, 0.5F));
  device_floats const gated(device, tokens * rows);
  device_floats const normed(device, x.size());
  for (std::size_t at = 0; at < tokens; at += step) {
    auto const count = std::min(step, tokens - at);
    auto const* const step_x = in.get() + at * columns;
    packed_weight const* const weights[] = {first.get()};
    float* const outs[] = {products.get() + at * rows};
    device.multiply(weights, step_x, count, outs);
    device.multiply_add(*second, step_x, count, sums.get() + at * rows);
    device.gated_up(*first, *second, step_x, count, gated.get() + at * rows);
    device.rms_norm(step_x, count, *weight, 1e-5F, normed.get() + at * columns);
  }
  REQUIRE(device.synchronize());
  return {products.read(), sums.read(), gated.read(), normed.read()};
}

} // namespace

TEST_CASE("results do not depend on the batch or on the number of threads, for every storage type") {
  random_numbers random(31);
  auto const norm = float_tensor(random.uniforms(columns), 1);
  auto const x = random.uniforms(75 * columns);
  for (auto const set : available_sets()) {
    for (auto const type : every_type) {
      auto const one = random_tensor(type, rows, columns, random);
      auto const other = random_tensor(type, rows, columns, random);
      auto const alone = run_all(*backend_for(set, 1), one, other, norm, x, 1);
      for (std::size_t const step : {2U, 3U, 5U, 8U, 13U, 75U}) {
        for (unsigned const threads : {1U, 3U}) {
          auto const device = backend_for(set, threads);
          INFO(device->name().view() << " " << name_of(type) << " step " << step << " threads " << threads);
          CHECK(run_all(*device, one, other, norm, x, step) == alone);
        }
      }
    }
  }
}

} // namespace mayfly::gpu::testing
