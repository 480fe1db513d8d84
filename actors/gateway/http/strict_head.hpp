#pragma once
// What a request's head may not look like. Beast parses it afterwards; this goes first and refuses every
// shape that another HTTP implementation might read differently (request smuggling), and some that none
// needs. Pure, and fuzzed against Beast: what passes here parses there, with the same length.
#include "protocol/base/result.hpp"

#include <string_view>

namespace mayfly::actors::http {

/// The size of the head in front of `bytes`, its empty line included; npos if it has not ended yet.
std::size_t head_size(std::string_view bytes) noexcept;

/// Checks a whole head. Refused (malformed; `number` is the line, from 0): control characters and NUL, bare
/// CR or LF, folded lines, versions other than HTTP/1.0 and 1.1, empty or blank-holding targets, a name that
/// is no token, more than 100 fields; Content-Length that is repeated, is no plain number, or stands beside
/// Transfer-Encoding; any Transfer-Encoding but one "chunked" in HTTP/1.1; Host repeated, or absent in
/// HTTP/1.1.
result<void> check_head(std::string_view head) noexcept;

} // namespace mayfly::actors::http
