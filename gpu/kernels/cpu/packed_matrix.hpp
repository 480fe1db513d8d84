#pragma once
// A weight in the layout of packing.hpp.
#include "gpu/formats/tensor.hpp"
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cpu/packing.hpp"

#include <memory>
#include <vector>

namespace mayfly::gpu::cpu {

/// What kernels read. Offsets are within a group.
struct packed_view {
  packing kind = packing::f32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t group_bytes = 0;
  std::size_t scales_at = 0;
  std::size_t supers_at = 0;
  std::byte const* data = nullptr;

  std::size_t blocks() const noexcept { return columns / block_columns; }
  std::size_t groups() const noexcept { return (rows + group_rows - 1) / group_rows; }
  std::byte const* group(std::size_t index) const noexcept { return data + index * group_bytes; }
};

/// The layout of a matrix; `data` is null.
packed_view plan_packing(packing kind, std::size_t rows, std::size_t columns) noexcept;

/// The packing of a storage type that `layout_of(type)` knows.
packing packing_for(tensor_type type) noexcept;

/// Fills group `index` of `view` (its memory is `group`, zeroed) from `rows` x `columns` of `tensor`.
void pack_group(tensor_view const& tensor, range rows, range columns, packed_view const& view,
                std::size_t index, std::byte* group);

/// Row `row` as floats, exactly what formats/dequantise gives. `out` holds `columns` floats.
void unpack_row(packed_view const& view, std::size_t row, float* out) noexcept;

class packed_matrix final : public packed_weight {
public:
  packed_matrix(packed_view view, std::shared_ptr<std::byte> memory, std::vector<float> only_row)
      : view_(view), memory_(std::move(memory)), only_row_(std::move(only_row)) {
    view_.data = memory_.get();
  }
  std::uint64_t rows() const noexcept override { return view_.rows; }
  std::uint64_t columns() const noexcept override { return view_.columns; }
  std::size_t size_bytes() const noexcept override { return view_.groups() * view_.group_bytes; }
  packed_view const& view() const noexcept { return view_; }
  /// The row of a matrix of one row, as norms want it; empty for others.
  std::vector<float> const& only_row() const noexcept { return only_row_; }

private:
  packed_view view_;
  std::shared_ptr<std::byte> memory_;
  std::vector<float> only_row_;
};

/// What `prepare` hands out is always a packed_matrix.
inline packed_matrix const& of(packed_weight const& weight) noexcept {
  return static_cast<packed_matrix const&>(weight);
}

} // namespace mayfly::gpu::cpu
