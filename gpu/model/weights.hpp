#pragma once
// Takes tensors out of a model file into packed weights, checking each shape.
#include "gpu/formats/gguf.hpp"
#include "gpu/kernels/backend.hpp"

#include <memory>
#include <string>
#include <vector>

namespace mayfly::gpu {

using weight = std::unique_ptr<packed_weight>;

/// Loads one model's weights. The first failure sticks: later calls return null, `outcome` says what it was.
class weight_loader {
public:
  weight_loader(gguf_file const& file, backend& device) : file_(file), device_(device) {}

  /// The tensor `name` as [rows][columns]; a vector has one row. A mismatch is `malformed`, and so is a
  /// missing tensor.
  weight load(std::string const& name, std::uint64_t rows, std::uint64_t columns) {
    return load(name, rows, columns, {0, rows}, {0, columns});
  }
  /// A part of it: what a rank of a tensor-parallel group computes with.
  weight load(std::string const& name, std::uint64_t rows, std::uint64_t columns, range some_rows,
              range some_columns);

  /// The floats of an F32 vector, empty if the file has no such tensor.
  std::vector<float> optional_floats(std::string const& name, std::uint64_t count);

  bool has(std::string const& name) const { return file_.tensor(name).has_value(); }

  /// Fails if the file has the tensor: it changes the result, and leaving it out would go unnoticed.
  void refuse(std::string const& name, literal what);

  std::size_t loaded_bytes() const noexcept { return loaded_bytes_; }
  result<void> const& outcome() const noexcept { return outcome_; }

private:
  void fail(error failure) {
    if (outcome_) outcome_ = failure;
  }

  gguf_file const& file_;
  backend& device_;
  std::size_t loaded_bytes_ = 0;
  result<void> outcome_;
};

} // namespace mayfly::gpu
