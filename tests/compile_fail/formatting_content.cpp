// fmt, and spdlog with it, has no formatter for content.
// expect: (formattable|formatter|format)
#include "protocol/base/ephemeral.hpp"

#include <fmt/format.h>

std::string show(mayfly::ephemeral_text const& text) {
#ifdef MUST_FAIL
  return fmt::format("{}", text);
#else
  return fmt::format("{}", text.size());
#endif
}
