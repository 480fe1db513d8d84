#pragma once
// What the backend's operations mean, in double precision and without any speed: the contract's oracle. And
// the material that its tests run on: random tensors of every storage type.
#include "gpu/kernels/backend.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mayfly::gpu::testing {

/// splitmix64 (Steele et al., 2014): the same numbers on every machine.
class random_numbers {
public:
  explicit random_numbers(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  /// Uniform in [-1, 1).
  float uniform();
  std::vector<float> uniforms(std::size_t count);

private:
  std::uint64_t state_;
};

/// A tensor that owns its bytes.
struct stored_tensor {
  tensor_view view() const { return {type, rows, columns, bytes}; }
  /// All of it, dequantised by the reference of gpu/formats.
  std::vector<double> values() const;

  tensor_type type = tensor_type::f32;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::vector<std::byte> bytes;
};

/// Random bits with scales of about 0.01: weights between about -1 and 1.
stored_tensor random_tensor(tensor_type type, std::uint64_t rows, std::uint64_t columns,
                            random_numbers& random);
stored_tensor float_tensor(std::vector<float> const& values, std::uint64_t rows);

extern std::vector<tensor_type> const every_type;
char const* name_of(tensor_type type);

/// [tokens][rows] = x[tokens][columns] * weight^T.
std::vector<double> product(stored_tensor const& weight, std::vector<float> const& x);

std::vector<double> normalised(std::vector<float> const& x, std::vector<float> const& weight, double epsilon);

/// x[tokens][heads][dim], token i at positions[i].
std::vector<double> rotated(std::vector<float> const& x, std::vector<std::uint32_t> const& positions,
                            std::size_t heads, std::size_t dim, rope_parameters const& rope);

/// Causal attention of one sequence: q[tokens][heads][dim] at positions `first`..., over all of
/// k, v[positions][kv_heads][dim].
std::vector<double> attended(std::vector<double> const& q, std::vector<double> const& k,
                             std::vector<double> const& v, attention_shape const& shape, std::size_t first);

/// The largest |a - b|, and the square root of the mean of (a - b)^2 over that of b^2.
double largest_difference(std::vector<float> const& a, std::vector<double> const& b);
double relative_error(std::vector<float> const& a, std::vector<double> const& b);

} // namespace mayfly::gpu::testing
