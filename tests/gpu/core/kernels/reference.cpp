#include "tests/gpu/core/kernels/reference.hpp"

#include "gpu/formats/block_layout.hpp"
#include "gpu/formats/dequantise.hpp"
#include "gpu/formats/half.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace mayfly::gpu::testing {
namespace {

// Where a block keeps its f16 scales.
std::vector<std::size_t> scale_offsets(tensor_type type) {
  switch (type) {
  case tensor_type::q8_0:
  case tensor_type::q4_0:
  case tensor_type::q5_0:
    return {0};
  case tensor_type::q4_1:
  case tensor_type::q5_1:
  case tensor_type::q4_k:
  case tensor_type::q5_k:
    return {0, 2};
  case tensor_type::q6_k:
    return {208};
  default:
    return {};
  }
}

// The scale that makes the largest weight about one.
float scale_of(tensor_type type) {
  switch (type) {
  case tensor_type::q8_0:
    return 1.0F / 128;
  case tensor_type::q4_k:
    return 1.0F / (15 * 63);
  case tensor_type::q5_k:
    return 1.0F / (31 * 63);
  case tensor_type::q6_k:
    return 1.0F / (32 * 128);
  default:
    return 1.0F / 16;
  }
}

void put_float(tensor_type type, float value, std::byte* to) {
  if (type == tensor_type::f32) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  auto const half =
      type == tensor_type::f16 ? float_to_half_clamped(value) : static_cast<std::uint16_t>(bits >> 16);
  std::memcpy(to, &half, sizeof half);
}

} // namespace

std::vector<tensor_type> const every_type{tensor_type::f32,  tensor_type::f16,  tensor_type::bf16,
                                          tensor_type::q8_0, tensor_type::q4_0, tensor_type::q4_1,
                                          tensor_type::q5_0, tensor_type::q5_1, tensor_type::q4_k,
                                          tensor_type::q5_k, tensor_type::q6_k};

char const* name_of(tensor_type type) {
  switch (type) {
  case tensor_type::f32:
    return "F32";
  case tensor_type::f16:
    return "F16";
  case tensor_type::bf16:
    return "BF16";
  case tensor_type::q8_0:
    return "Q8_0";
  case tensor_type::q4_0:
    return "Q4_0";
  case tensor_type::q4_1:
    return "Q4_1";
  case tensor_type::q5_0:
    return "Q5_0";
  case tensor_type::q5_1:
    return "Q5_1";
  case tensor_type::q4_k:
    return "Q4_K";
  case tensor_type::q5_k:
    return "Q5_K";
  case tensor_type::q6_k:
    return "Q6_K";
  }
  return "?";
}

std::uint64_t random_numbers::bits() {
  auto z = state_ += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

float random_numbers::uniform() {
  return static_cast<float>(static_cast<double>(bits() >> 40) * 0x1p-23 - 1.0);
}

std::vector<float> random_numbers::uniforms(std::size_t count) {
  std::vector<float> all(count);
  for (auto& each : all) each = uniform();
  return all;
}

std::vector<double> stored_tensor::values() const {
  std::vector<double> all;
  all.reserve(rows * columns);
  std::vector<float> row(columns);
  for (std::uint64_t i = 0; i < rows; ++i) {
    if (!dequantise_row(view(), i, row)) throw std::logic_error("reference cannot read its own tensor");
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

stored_tensor random_tensor(tensor_type type, std::uint64_t rows, std::uint64_t columns,
                            random_numbers& random) {
  auto const layout = *layout_of(type);
  stored_tensor tensor{type, rows, columns, std::vector<std::byte>(rows * row_bytes(layout, columns))};
  if (layout.elements == 1) {
    for (std::size_t i = 0; i < rows * columns; ++i) {
      put_float(type, random.uniform(), tensor.bytes.data() + i * layout.bytes);
    }
    return tensor;
  }
  for (auto& byte : tensor.bytes) byte = static_cast<std::byte>(random.bits());
  for (std::size_t block = 0; block < tensor.bytes.size(); block += layout.bytes) {
    for (auto const offset : scale_offsets(type)) {
      put_float(tensor_type::f16, scale_of(type) * random.uniform(), tensor.bytes.data() + block + offset);
    }
  }
  return tensor;
}

stored_tensor float_tensor(std::vector<float> const& values, std::uint64_t rows) {
  stored_tensor tensor{tensor_type::f32, rows, values.size() / rows,
                       std::vector<std::byte>(values.size() * sizeof(float))};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

std::vector<double> product(stored_tensor const& weight, std::vector<float> const& x) {
  auto const values = weight.values();
  auto const columns = weight.columns;
  std::vector<double> out;
  for (std::size_t token = 0; token < x.size() / columns; ++token) {
    for (std::size_t row = 0; row < weight.rows; ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < columns; ++i) {
        sum += values[row * columns + i] * static_cast<double>(x[token * columns + i]);
      }
      out.push_back(sum);
    }
  }
  return out;
}

std::vector<double> normalised(std::vector<float> const& x, std::vector<float> const& weight,
                               double epsilon) {
  auto const width = weight.size();
  std::vector<double> out(x.begin(), x.end());
  for (std::size_t token = 0; token < x.size() / width; ++token) {
    auto* const row = out.data() + token * width;
    double squares = 0;
    for (std::size_t i = 0; i < width; ++i) squares += row[i] * row[i];
    auto const norm = std::sqrt(squares / static_cast<double>(width) + epsilon);
    for (std::size_t i = 0; i < width; ++i) row[i] *= static_cast<double>(weight[i]) / norm;
  }
  return out;
}

std::vector<double> rotated(std::vector<float> const& x, std::vector<std::uint32_t> const& positions,
                            std::size_t heads, std::size_t dim, rope_parameters const& rope) {
  std::vector<double> out(x.begin(), x.end());
  auto const pairs = rope.dims / 2;
  for (std::size_t i = 0; i < x.size() / dim; ++i) {
    auto* const head = out.data() + i * dim;
    auto const position = static_cast<double>(positions[i / heads]) * static_cast<double>(rope.scale);
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      auto const exponent = -2.0 * static_cast<double>(pair) / rope.dims;
      auto const factor =
          rope.frequency_factors.empty() ? 1.0 : static_cast<double>(rope.frequency_factors[pair]);
      auto const angle = position * std::pow(static_cast<double>(rope.theta), exponent) / factor;
      auto& a = head[rope.interleaved ? 2 * pair : pair];
      auto& b = head[rope.interleaved ? 2 * pair + 1 : pair + pairs];
      auto const before = a;
      a = before * std::cos(angle) - b * std::sin(angle);
      b = before * std::sin(angle) + b * std::cos(angle);
    }
  }
  return out;
}

std::vector<double> attended(std::vector<double> const& q, std::vector<double> const& k,
                             std::vector<double> const& v, attention_shape const& shape, std::size_t first) {
  std::vector<double> out(q.size());
  auto const dim = shape.head_dim;
  for (std::size_t i = 0; i < q.size() / dim; ++i) {
    auto const visible = first + i / shape.heads + 1;
    auto const kv_head = i % shape.heads / (shape.heads / shape.kv_heads);
    std::vector<double> weights(visible);
    for (std::size_t p = 0; p < visible; ++p) {
      for (std::size_t d = 0; d < dim; ++d) {
        weights[p] += q[i * dim + d] * k[(p * shape.kv_heads + kv_head) * dim + d];
      }
      weights[p] *= static_cast<double>(shape.scale);
    }
    auto const max = *std::ranges::max_element(weights);
    double sum = 0;
    for (auto& weight : weights) sum += weight = std::exp(weight - max);
    for (std::size_t p = 0; p < visible; ++p) {
      for (std::size_t d = 0; d < dim; ++d) {
        out[i * dim + d] += weights[p] / sum * v[(p * shape.kv_heads + kv_head) * dim + d];
      }
    }
  }
  return out;
}

double largest_difference(std::vector<float> const& a, std::vector<double> const& b) {
  double largest = a.size() == b.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    auto const difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    largest = std::isnan(difference) ? HUGE_VAL : std::max(largest, difference);
  }
  return largest;
}

double relative_error(std::vector<float> const& a, std::vector<double> const& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double errors = 0;
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto const difference = static_cast<double>(a[i]) - b[i];
    errors += difference * difference;
    squares += b[i] * b[i];
  }
  auto const error = std::sqrt(errors / squares);
  return std::isnan(error) ? HUGE_VAL : error;
}

} // namespace mayfly::gpu::testing
