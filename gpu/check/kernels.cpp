// Every operation of the CUDA backend against double precision, over all storage types and, on a GPU, the
// shapes of an 8B llama. The reference is the contract's own (tests/gpu/core/kernels/reference.*): the
// processors' backend rounds activations of quantised products, more than what is measured here.
#include "gpu/check/device_material.hpp"
#include "gpu/check/findings.hpp"
#include "gpu/check/machine.hpp"
#include "gpu/formats/dequantise.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <numeric>

namespace mayfly::gpu::check {
namespace {

using namespace testing;

constexpr std::size_t sampled_rows = 48;

struct product_shape {
  std::uint64_t rows;
  std::uint64_t columns;
};

/// Types that keep their codes, and float types: nothing but sums is rounded while tokens are few.
bool is_kept(tensor_type type) {
  return type == tensor_type::bf16 || cuda::storage_for(type) != cuda::storage::bf16;
}

/// As gpu/kernels/cuda/README.md states them, with room for another order of additions.
double product_tolerance(tensor_type type, std::size_t tokens) {
  if (type == tensor_type::f32) return 1e-5;
  auto const few = cuda::is_quantised(cuda::storage_for(type)) ? 64U : 16U;
  return is_kept(type) && tokens <= few ? 2e-5 : 5e-3;
}

/// Some rows, evenly spread, of weight * x: double precision over all of an 8B matrix would take minutes.
struct sampled_product {
  std::vector<std::size_t> rows;
  std::vector<double> expected; ///< [tokens][rows]
};

sampled_product sample_product(stored_tensor const& weight, std::vector<float> const& x) {
  sampled_product sample;
  auto const count = std::min<std::size_t>(sampled_rows, weight.rows);
  for (std::size_t i = 0; i < count; ++i)
    sample.rows.push_back(i * (weight.rows - 1) / std::max<std::size_t>(count - 1, 1));
  auto const columns = weight.columns;
  std::vector<float> row(columns);
  sample.expected.resize(x.size() / columns * count);
  for (std::size_t i = 0; i < count; ++i) {
    static_cast<void>(dequantise_row(weight.view(), sample.rows[i], row));
    for (std::size_t token = 0; token < x.size() / columns; ++token) {
      double sum = 0;
      for (std::size_t at = 0; at < columns; ++at)
        sum += static_cast<double>(row[at]) * static_cast<double>(x[token * columns + at]);
      sample.expected[token * count + i] = sum;
    }
  }
  return sample;
}

std::vector<float> pick(std::vector<float> const& out, std::size_t width,
                        std::vector<std::size_t> const& rows) {
  std::vector<float> picked;
  for (std::size_t token = 0; token < out.size() / width; ++token)
    for (auto const row : rows) picked.push_back(out[token * width + row]);
  return picked;
}

void check_product(backend& device, stored_tensor const& weight, packed_weight const& packed,
                   std::size_t tokens, random_numbers& random) {
  auto const x = random.uniforms(tokens * weight.columns);
  floats const in(device, x);
  std::vector<float> poison(tokens * weight.rows, NAN);
  floats const out(device, poison);
  packed_weight const* const weights[] = {&packed};
  float* const outs[] = {out.get()};
  device.multiply(weights, in.get(), tokens, outs);
  auto const sample = sample_product(weight, x);
  auto const got = out.read();
  auto const whole = std::all_of(got.begin(), got.end(), [](float each) { return std::isfinite(each); });
  auto const error = whole ? relative_error(pick(got, weight.rows, sample.rows), sample.expected) : HUGE_VAL;
  char what[96];
  std::snprintf(what, sizeof what, "product %s %llux%llu, %zu tokens", name_of(weight.type),
                static_cast<unsigned long long>(weight.rows), static_cast<unsigned long long>(weight.columns),
                tokens);
  tell_at_most("kernels", what, error, product_tolerance(weight.type, tokens), "relative error");
  device.multiply_add(packed, in.get(), tokens, out.get()); // the same again: twice the product
  auto twice = sample.expected;
  for (auto& each : twice) each *= 2;
  tell_at_most("kernels", std::string("added ") + what,
               relative_error(pick(out.read(), weight.rows, sample.rows), twice),
               product_tolerance(weight.type, tokens), "relative error");
}

void check_products(backend& device, bool real, random_numbers& random) {
  std::vector<product_shape> const large{{4096, 4096}, {1024, 4096}, {14336, 4096}, {4096, 14336}};
  std::vector<product_shape> const small{{48, 512}, {33, 768}};
  for (auto const type : every_type) {
    bool const deep = type == tensor_type::bf16 || cuda::is_quantised(cuda::storage_for(type));
    for (auto const& [rows, columns] : real ? large : small) {
      if (real && !deep && rows * columns > (std::uint64_t{4096} << 12U)) continue;
      auto const weight = random_tensor(type, rows, columns, random);
      auto const packed = prepared(device, weight.view());
      for (std::size_t const tokens : {1U, 5U, 8U, 16U, 17U, 64U, 65U, 300U})
        if (real || tokens <= 17 || (rows == 48 && tokens <= 65))
          check_product(device, weight, *packed, tokens, random);
    }
  }
}

void check_gate(backend& device, bool real, random_numbers& random) {
  std::uint64_t const rows = real ? 14336 : 35;
  std::uint64_t const columns = real ? 4096 : 256;
  for (auto const type : {tensor_type::bf16, tensor_type::q4_k}) {
    auto const gate = random_tensor(type, rows, columns, random);
    auto const up = random_tensor(type, rows, columns, random);
    auto const packed_gate = prepared(device, gate.view());
    auto const packed_up = prepared(device, up.view());
    for (std::size_t const tokens : {1U, 9U}) {
      auto const x = random.uniforms(tokens * columns);
      floats const in(device, x);
      floats const out(device, tokens * rows);
      device.gated_up(*packed_gate, *packed_up, in.get(), tokens, out.get());
      auto const gates = sample_product(gate, x);
      auto expected = sample_product(up, x).expected;
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] *= gates.expected[i] / (1 + std::exp(-gates.expected[i]));
      tell_at_most("kernels",
                   std::string("gated up ") + name_of(type) + ", " + std::to_string(tokens) + " tokens",
                   relative_error(pick(out.read(), rows, gates.rows), expected),
                   3 * product_tolerance(type, tokens), "relative error");
    }
  }
}

void check_rows(backend& device, bool real, random_numbers& random) {
  std::size_t const width = real ? 4096 : 256;
  for (auto const type : every_type) {
    auto const table = random_tensor(type, 301, width, random);
    auto const packed = prepared(device, table.view());
    std::vector<token_id> const tokens{300, 0, 17, 16, 15, 17, 299};
    floats const out(device, tokens.size() * width);
    device.embed(*packed, 0, tokens, out.get());
    std::vector<double> expected;
    std::vector<float> row(width);
    for (auto const token : tokens) {
      static_cast<void>(dequantise_row(table.view(), static_cast<std::uint64_t>(token), row));
      expected.insert(expected.end(), row.begin(), row.end());
    }
    tell_at_most("kernels", std::string("embedding ") + name_of(type), relative_error(out.read(), expected),
                 is_kept(type) ? 0 : 5e-3, "relative error");
  }
  for (std::size_t const wide : {std::size_t{7}, std::size_t{576}, width}) {
    auto const weight = random.uniforms(wide);
    auto const x = random.uniforms(33 * wide);
    auto const packed = prepared(device, float_tensor(weight, 1).view());
    floats const in(device, x);
    floats const out(device, x.size());
    device.rms_norm(in.get(), 33, *packed, 1e-5F, out.get());
    tell_at_most("kernels", "norm of width " + std::to_string(wide),
                 largest_difference(out.read(), normalised(x, weight, 1e-5F)), 1e-5, "largest difference");
  }
  floats const in(device, {1, 2, 3, 4, 5, 6});
  floats const out(device, 4);
  std::vector<std::uint32_t> const rows{2, 0};
  device.gather(in.get(), 2, rows, out.get());
  tell_held("kernels", "gather picks rows in order", out.read() == std::vector<float>{5, 6, 1, 2});
}

struct attention_case {
  std::uint32_t heads, kv_heads, head_dim;
  std::uint32_t positions; ///< that K and V are stored for
  std::uint32_t asked;     ///< of the last of them, how many attend
  kv_precision precision;
};

/// Stores K and V of all positions, then asks for the last ones: as prefill and as decode do.
void check_attention(backend& device, attention_case const& each, random_numbers& random) {
  attention_shape const shape{each.heads, each.kv_heads, each.head_dim,
                              1.0F / std::sqrt(static_cast<float>(each.head_dim))};
  rope_parameters const rope{500000.0F, 1.0F, each.head_dim, true, {}};
  auto const q = random.uniforms(std::size_t{each.positions} * each.heads * each.head_dim);
  auto const k = random.uniforms(std::size_t{each.positions} * each.kv_heads * each.head_dim);
  auto const v = random.uniforms(k.size());
  floats const queries(device, q), keys(device, k), values(device, v);
  sequences const all(1, each.positions, 0, 16);
  auto const kv = made_kv(device, {all.blocks() + 3, 16, 2, each.kv_heads, each.head_dim, each.precision});
  device.rotate_and_store(queries.get(), keys.get(), values.get(), all.spans(), shape, rope, *kv, 1);
  sequence_span last = all.spans()[0];
  last.token_count = each.asked;
  last.first_position = each.positions - each.asked;
  auto const row = std::size_t{each.heads} * each.head_dim;
  floats const out(device, each.asked * row);
  device.attend(queries.get() + last.first_position * row, {&last, 1}, shape, *kv, 1, out.get());
  std::vector<std::uint32_t> positions(each.positions);
  std::iota(positions.begin(), positions.end(), 0U);
  auto turned = rotated(q, positions, each.heads, each.head_dim, rope);
  turned.erase(turned.begin(), turned.begin() + static_cast<std::ptrdiff_t>(last.first_position * row));
  auto const expected = attended(turned, rotated(k, positions, each.kv_heads, each.head_dim, rope),
                                 {v.begin(), v.end()}, shape, last.first_position);
  bool const half = each.precision == kv_precision::f16;
  char what[96];
  std::snprintf(what, sizeof what, "attention %u/%ux%u %s, %u of %u positions", each.heads, each.kv_heads,
                each.head_dim, half ? "f16" : "f32", each.asked, each.positions);
  tell_at_most("kernels", what, largest_difference(out.read(), expected), half ? 1e-3 : 2e-4,
               "largest difference");
}

void check_attentions(backend& device, bool real, random_numbers& random) {
  auto const half = kv_precision::f16;
  std::vector<attention_case> const small{{4, 2, 64, 70, 1, half},
                                          {4, 2, 64, 40, 40, half},
                                          {8, 1, 128, 50, 3, half},
                                          {3, 3, 48, 33, 9, half},
                                          {4, 2, 32, 35, 5, kv_precision::f32}};
  for (auto const& each : small) check_attention(device, each, random);
  if (!real) return;
  for (auto const& each :
       {attention_case{32, 8, 128, 1, 1, half}, attention_case{32, 8, 128, 4000, 1, half},
        attention_case{32, 8, 128, 4000, 7, half}, attention_case{32, 8, 128, 300, 300, half},
        attention_case{64, 8, 128, 1000, 1, half}, attention_case{9, 3, 64, 700, 1, half},
        attention_case{9, 3, 64, 260, 260, half}, attention_case{32, 8, 128, 500, 2, kv_precision::f32}})
    check_attention(device, each, random);
}

/// The distribution that a row of logits means, in double precision.
std::vector<double> distribution(std::vector<float> const& logits, draw_parameters const& asked) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  auto const weight = [&](std::size_t rank) {
    return std::exp(static_cast<double>(logits[order[rank]] - logits[order[0]]) /
                    static_cast<double>(asked.temperature));
  };
  double total = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) total += weight(rank);
  std::size_t kept = asked.top_k > 0 ? static_cast<std::size_t>(asked.top_k) : order.size();
  double sum = 0;
  for (std::size_t rank = 0; rank < kept; ++rank) {
    sum += weight(rank);
    if (asked.top_k == 0 && sum >= static_cast<double>(asked.top_p) * total) kept = rank + 1;
  }
  std::vector<double> shares(logits.size());
  for (std::size_t rank = 0; rank < kept; ++rank) shares[order[rank]] = weight(rank) / sum;
  return shares;
}

/// Draws with shares evenly spread over [0, 1): how often each token comes is its probability, to a draw.
void check_draw(backend& device, std::string const& name, draw_parameters const& asked,
                std::size_t vocabulary, std::size_t rows, random_numbers& random) {
  auto logits = random.uniforms(vocabulary);
  for (auto& each : logits) each *= 6;
  std::vector<float> all;
  std::vector<draw_parameters> parameters(rows, asked);
  for (std::size_t i = 0; i < rows; ++i) {
    all.insert(all.end(), logits.begin(), logits.end());
    parameters[i].share = (static_cast<double>(i) + 0.5) / static_cast<double>(rows);
  }
  floats const on_device(device, all);
  std::vector<token_id> tokens(rows);
  device.draw(on_device.get(), vocabulary, parameters, tokens);
  must(device.synchronize(), "drawing");
  auto const shares = distribution(logits, asked);
  std::vector<double> drawn(vocabulary);
  bool inside = true;
  for (auto const token : tokens) {
    inside = inside && token >= 0 && static_cast<std::size_t>(token) < vocabulary;
    if (inside) drawn[static_cast<std::size_t>(token)] += 1.0 / static_cast<double>(rows);
  }
  double worst = inside ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < vocabulary; ++i) worst = std::max(worst, std::abs(drawn[i] - shares[i]));
  tell_at_most("kernels", "draw, " + name, worst, 2.5 / static_cast<double>(rows), "largest share off");
}

void check_draws(backend& device, bool real, random_numbers& random) {
  std::size_t const rows = real ? 2048 : 64;
  std::size_t const vocabulary = real ? 4001 : 101;
  check_draw(device, "temperature 1", {}, vocabulary, rows, random);
  check_draw(device, "temperature 0.5, top-k 40", {0.5F, 1.0F, 40, 0, 0}, vocabulary, rows, random);
  check_draw(device, "top-p 0.9", {1.0F, 0.9F, 0, 0, 0}, vocabulary, rows, random);
  check_draw(device, "top-k 1", {1.0F, 1.0F, 1, 0, 0}, vocabulary, rows, random);
}

int run(bool small) {
  auto const device = open_backend();
  if (device == nullptr) return 2;
  bool const real = !small && is_real();
  random_numbers random(1);
  check_rows(*device, real, random);
  check_attentions(*device, real, random);
  check_draws(*device, real, random);
  check_gate(*device, real, random);
  check_products(*device, real, random);
  must(device->synchronize(), "the device");
  return outcome();
}

} // namespace
} // namespace mayfly::gpu::check

int main(int count, char** arguments) try {
  // A sanitizer runs a thousand times slower: small shapes are enough to show what it looks for.
  return mayfly::gpu::check::run(count > 1 && std::strcmp(arguments[1], "--small") == 0);
} catch (std::exception const& failure) {
  return std::fprintf(stderr, "check_kernels: %s\n", failure.what()), 1;
}
