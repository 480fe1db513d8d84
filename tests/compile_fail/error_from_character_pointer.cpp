// A pointer to characters is no literal, even where the compiler sees a constant array behind it.
// expect: (could not convert|no matching|cannot convert|not a constant expression|no viable)
#include "protocol/base/error.hpp"

mayfly::error explain([[maybe_unused]] char const* text) {
#ifdef MUST_FAIL
  return {mayfly::errc::malformed, text, 0};
#else
  return {mayfly::errc::malformed, "text", 0};
#endif
}
