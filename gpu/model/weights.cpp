#include "gpu/model/weights.hpp"

#include <cstring>
#include <utility>

namespace mayfly::gpu {

weight weight_loader::load(std::string const& name, std::uint64_t rows, std::uint64_t columns,
                           range some_rows, range some_columns) {
  if (!outcome_) return nullptr;
  auto const tensor = file_.tensor(name);
  if (!tensor) {
    fail({errc::malformed, "the model file lacks a tensor of its architecture", 0});
    return nullptr;
  }
  if (tensor->rows != rows || tensor->columns != columns) {
    fail({errc::malformed, "a tensor's shape does not fit the model's parameters", 0});
    return nullptr;
  }
  auto packed = device_.prepare(*tensor, some_rows, some_columns);
  if (!packed) {
    fail(packed.failure());
    return nullptr;
  }
  loaded_bytes_ += (*packed)->size_bytes();
  file_.release(*tensor);
  return std::move(*packed);
}

std::vector<float> weight_loader::optional_floats(std::string const& name, std::uint64_t count) {
  auto const tensor = file_.tensor(name);
  if (!outcome_ || !tensor) return {};
  if (tensor->type != tensor_type::f32) {
    fail({errc::unsupported, "a vector of factors that is not stored as F32", 0});
    return {};
  }
  if (tensor->rows * tensor->columns != count || tensor->data.size() != count * sizeof(float)) {
    fail({errc::malformed, "a vector of factors does not fit the model's parameters", 0});
    return {};
  }
  std::vector<float> floats(count);
  std::memcpy(floats.data(), tensor->data.data(), tensor->data.size());
  return floats;
}

void weight_loader::refuse(std::string const& name, literal what) {
  if (has(name)) fail({errc::unsupported, what, 0});
}

} // namespace mayfly::gpu
