// Content is copied by `clone` alone, never by accident.
// expect: deleted
#include "protocol/base/ephemeral.hpp"

mayfly::ephemeral_text twice(mayfly::ephemeral_text const& text) {
#ifdef MUST_FAIL
  return text;
#else
  return text.clone();
#endif
}
