// An error's explanation stands in the source: text made at run time, which might be content, is refused.
// expect: (could not convert|no matching|cannot convert|not a constant expression|no viable)
#include "protocol/base/error.hpp"

#include <string>

mayfly::error explain(std::string const& text) {
#ifdef MUST_FAIL
  return {mayfly::errc::malformed, text, 0};
#else
  return {mayfly::errc::malformed, "not what was expected", static_cast<std::int64_t>(text.size())};
#endif
}
