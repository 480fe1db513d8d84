#pragma once
// The key file's text.
#include "actors/accounts/key_file.hpp"

namespace mayfly::actors::accounts {

/// Errors: malformed (`number` is the line, from 1).
result<std::vector<key_entry>> parse_key_lines(std::string_view text);
std::string format_key_lines(std::vector<key_entry> const& entries);

} // namespace mayfly::actors::accounts
