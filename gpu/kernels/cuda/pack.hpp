#pragma once
// Repacks a tensor's rows into the planes of weight_layout.hpp, on the host.
#include "gpu/formats/tensor.hpp"
#include "gpu/kernels/cuda/weight_layout.hpp"

#include <cstddef>
#include <vector>

namespace mayfly::gpu::cuda {

/// Where the planes of a matrix lie within one piece of memory.
struct packed_layout {
  matrix_view view; ///< without addresses
  std::size_t padded_rows = 0;
  std::size_t codes_at = 0;
  std::size_t high_at = 0;
  std::size_t scales_at = 0;
  std::size_t supers_at = 0;
  std::size_t bytes = 0;

  /// `view` over memory at `base`.
  matrix_view at(std::byte const* base) const noexcept;
};

packed_layout plan_layout(storage kind, std::uint64_t rows, std::uint64_t columns) noexcept;

/// Writes row `row` of the packed matrix, which is row rows.begin + row of the tensor, into memory laid out
/// as `layout`, which was zero. Precondition: the range was checked (weight_range.hpp).
void pack_row(tensor_view const& tensor, range rows, range columns, packed_layout const& layout,
              std::uint64_t row, std::byte* base);

} // namespace mayfly::gpu::cuda
