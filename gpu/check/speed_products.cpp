// Weights times activations: few tokens as a share of read bandwidth, many as a share of the matrix peak.
#include "gpu/check/speed.hpp"

#include <algorithm>
#include <stdexcept>

namespace mayfly::gpu::check {
namespace {

using cuda::storage;

struct matrix_shape {
  std::uint32_t rows;
  std::uint32_t columns;
};

char const* name_of(storage kind) {
  switch (kind) {
  case storage::f32:
    return "F32";
  case storage::f16:
    return "F16";
  case storage::bf16:
    return "BF16";
  case storage::q8_0:
    return "Q8_0";
  case storage::q4_k:
    return "Q4_K";
  case storage::q6_k:
    return "Q6_K";
  }
  return "?";
}

std::string named(char const* what, storage kind, matrix_shape shape, std::size_t tokens) {
  return std::string(what) + " " + name_of(kind) + " " + std::to_string(shape.rows) + "x" +
         std::to_string(shape.columns) + ", " + std::to_string(tokens) + (tokens == 1 ? " token" : " tokens");
}

std::size_t bytes_of(storage kind, matrix_shape shape) {
  auto const each = cuda::planes_of(kind);
  return std::size_t{shape.rows} * cuda::stride_of(kind, shape.columns) *
         (each.codes + each.high + each.scales + each.supers);
}

/// The i-th of as many matrices as lie in the random memory side by side: read in turn, they come from
/// memory, not from a cache. Numbers do not matter to speed, only that they are no zeros.
cuda::matrix_view matrix_at(bench const& on, storage kind, matrix_shape shape, unsigned index) {
  auto const bytes = (bytes_of(kind, shape) + 255) / 256 * 256;
  auto const whole = on.random_bytes / bytes;
  if (whole == 0) throw std::runtime_error("a matrix larger than the memory set aside");
  auto const* at = reinterpret_cast<std::uint8_t const*>(on.random) + index % whole * bytes;
  cuda::matrix_view view{kind, shape.rows, shape.columns, cuda::stride_of(kind, shape.columns)};
  auto const each = cuda::planes_of(kind);
  std::size_t const units = std::size_t{shape.rows} * view.stride;
  auto const take = [&](std::uint32_t unit) -> std::uint8_t const* {
    auto const* const plane = unit == 0 ? nullptr : at;
    at += units * unit;
    return plane;
  };
  view.codes = take(each.codes);
  view.high = take(each.high);
  view.scales = take(each.scales);
  view.supers = take(each.supers);
  return view;
}

void measure_few(bench& on, storage kind, matrix_shape shape, std::uint32_t tokens) {
  floats const x(on.device, std::vector<float>(std::size_t{tokens} * shape.columns, 0.5F));
  floats const out(on.device, std::size_t{tokens} * shape.rows);
  auto const seconds = seconds_of(on, on.size(24U, 1U), [&](unsigned i) {
    cuda::multiply_few(on.queue, matrix_at(on, kind, shape, i), x.get(), tokens, out.get(), false);
  });
  auto const goal = cuda::is_quantised(kind) ? 0.6 : 0.8;
  tell_share(on, {named("product", kind, shape, tokens), seconds, static_cast<double>(bytes_of(kind, shape)),
                  on.measured.read, "read", tokens <= 8 ? std::optional(goal) : std::nullopt});
}

double dense_seconds(bench& on, matrix_shape shape, std::size_t tokens, unsigned times) {
  floats const sums(on.device, tokens * shape.rows);
  auto const workspace_bytes = on.size(std::size_t{32} << 20U, std::size_t{4} << 10U);
  floats const workspace(on.device, workspace_bytes / sizeof(float));
  auto const x_bytes = tokens * shape.columns * 2;
  auto* const x = on.random + on.random_bytes - x_bytes;
  return seconds_of(on, times, [&](unsigned i) {
    cuda::dense_product product{cuda::number_format::bf16,
                                matrix_at(on, storage::bf16, shape, i).codes,
                                x,
                                sums.get(),
                                shape.rows,
                                shape.columns,
                                tokens,
                                shape.columns,
                                shape.rows};
    product.workspace = workspace.get();
    product.workspace_bytes = workspace_bytes;
    on.queue.multiply(product);
  });
}

double operations(matrix_shape shape, std::size_t tokens) {
  return 2.0 * static_cast<double>(shape.rows) * static_cast<double>(shape.columns) *
         static_cast<double>(tokens);
}

/// The best of some large shapes is the peak.
void measure_peak(bench& on) {
  for (std::uint32_t const side : on.size(std::vector<std::uint32_t>{4096, 8192, 16384}, {256})) {
    matrix_shape const shape{side, side};
    auto const seconds = dense_seconds(on, shape, side, on.size(side > 8192 ? 2U : 8U, 1U));
    on.measured.products = std::max(on.measured.products, operations(shape, side) / seconds);
    tell_share(on, {"bf16 matrix, side " + std::to_string(side),
                    seconds,
                    operations(shape, side),
                    0,
                    "matrix peak",
                    {}});
  }
}

void measure_dense(bench& on) {
  for (matrix_shape const shape :
       on.size(std::vector<matrix_shape>{{4096, 4096}, {14336, 4096}}, {{64, 256}}))
    for (std::size_t const tokens : on.size(std::vector<std::size_t>{17, 64, 256, 1024, 2048, 4096}, {20})) {
      auto const seconds = dense_seconds(on, shape, tokens, on.size(8U, 1U));
      tell_share(on,
                 {named("cuBLASLt", storage::bf16, shape, tokens), seconds, operations(shape, tokens),
                  on.measured.products, "matrix peak", tokens >= 1024 ? std::optional(0.75) : std::nullopt});
    }
}

/// Where quantised weights had better be expanded for cuBLASLt than read 16 tokens at a time.
void measure_crossing(bench& on) {
  matrix_shape const shape = on.size(matrix_shape{14336, 4096}, matrix_shape{64, 256});
  floats const expanded(on.device, std::size_t{shape.rows} * shape.columns / 2);
  for (auto const kind : {storage::q8_0, storage::q4_k, storage::q6_k})
    for (std::uint32_t const tokens : on.size(std::vector<std::uint32_t>{16, 32, 48, 64, 80}, {32})) {
      floats const x(on.device, std::vector<float>(std::size_t{tokens} * shape.columns, 0.5F));
      floats const out(on.device, std::size_t{tokens} * shape.rows);
      auto const read = seconds_of(on, on.size(8U, 1U), [&](unsigned i) {
        for (std::uint32_t first = 0; first < tokens; first += 16)
          cuda::multiply_few(on.queue, matrix_at(on, kind, shape, i),
                             x.get() + std::size_t{first} * shape.columns, 16,
                             out.get() + std::size_t{first} * shape.rows, false);
      });
      auto const spread = seconds_of(on, on.size(8U, 1U), [&](unsigned i) {
        cuda::expand(on.queue, matrix_at(on, kind, shape, i), 0, shape.rows,
                     reinterpret_cast<std::uint16_t*>(expanded.get()));
      });
      tell_time(on, named("read in sixteens", kind, shape, tokens), read);
      tell_time(on, named("expanded, then cuBLASLt", kind, shape, tokens),
                spread + dense_seconds(on, shape, tokens, on.size(8U, 1U)));
    }
}

} // namespace

void measure_products(bench& on) {
  measure_peak(on);
  std::vector<matrix_shape> const llama{
      {4096, 4096}, {1024, 4096}, {14336, 4096}, {4096, 14336}, {128256, 4096}};
  for (auto const kind : {storage::bf16, storage::q8_0, storage::q4_k, storage::q6_k})
    for (auto const shape : on.size(llama, {{48, 512}})) {
      if (kind != storage::bf16 && shape.rows == 1024) continue;
      for (std::uint32_t const tokens : {1U, 8U, 16U}) measure_few(on, kind, shape, tokens);
    }
  measure_dense(on);
  measure_crossing(on);
}

} // namespace mayfly::gpu::check
