#include "gpu/kernels/weight_range.hpp"

#include "gpu/formats/block_layout.hpp"

namespace mayfly::gpu {

result<void> check_weight_range(tensor_view const& tensor, range rows, range columns) {
  auto const layout = layout_of(tensor.type);
  if (!layout) return error{errc::unsupported, "tensor type", static_cast<std::int64_t>(tensor.type)};
  auto const inside = rows.begin < rows.end && rows.end <= tensor.rows && columns.begin < columns.end &&
                      columns.end <= tensor.columns;
  if (!inside) return error{errc::invalid_request, "range outside of the tensor", 0};
  if (tensor.columns % layout->elements != 0 || columns.begin % layout->elements != 0 ||
      columns.end % layout->elements != 0) {
    return error{errc::invalid_request, "columns cut a quantisation block (block length)", layout->elements};
  }
  if (tensor.data.size() / row_bytes(*layout, tensor.columns) < tensor.rows) {
    return error{errc::invalid_request, "tensor data too short (bytes)",
                 static_cast<std::int64_t>(tensor.data.size())};
  }
  return {};
}

} // namespace mayfly::gpu
