// An array of characters that was filled at run time looks like a literal to a template, but is no constant.
// expect: (not a constant expression|not usable in a constant expression|could not convert)
#include "protocol/base/error.hpp"

#include <cstring>

mayfly::error explain(char const* from) {
  char text[8] = {};
  std::memcpy(text, from, sizeof text);
#ifdef MUST_FAIL
  return {mayfly::errc::malformed, text, 0};
#else
  return {mayfly::errc::malformed, "text", text[0]};
#endif
}
