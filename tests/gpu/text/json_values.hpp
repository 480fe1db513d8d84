#pragma once
#include "gpu/text/jinja/python.hpp"

#include <string>
#include <vector>

namespace mayfly::gpu::jinja {

/// JSON as the values that templates see; every text is of `from`. Throws std::runtime_error on what is no
/// JSON.
value read_json(std::string_view source, arena& memory, origin from = origin::content);

/// One value a line.
std::vector<value> read_json_lines(std::string const& path, arena& memory);

/// The text of a member, which must be there.
std::string_view text_member(value object, std::string_view name);

} // namespace mayfly::gpu::jinja
