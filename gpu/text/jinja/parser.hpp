#pragma once
#include "gpu/text/jinja/syntax.hpp"

#include <string_view>

namespace mayfly::gpu::jinja {

/// Reads a template. Fails with malformed or unsupported (inheritance and inclusion, which chat templates
/// lack); `number` is the line.
statements parse(std::string_view source);

} // namespace mayfly::gpu::jinja
