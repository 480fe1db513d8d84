#pragma once
#include "gpu/formats/tensor.hpp"
#include "protocol/base/result.hpp"

namespace mayfly::gpu {

/// What every device's `prepare` refuses. Errors: unsupported (a type that nobody reads), invalid_request (a
/// range outside of the tensor or one that cuts a quantisation block, data too short).
result<void> check_weight_range(tensor_view const& tensor, range rows, range columns);

} // namespace mayfly::gpu
