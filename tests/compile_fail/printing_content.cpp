// Content has no way into a stream.
// expect: deleted
#include "protocol/base/ephemeral.hpp"

#include <iostream>

void show(mayfly::ephemeral_text const& text) {
#ifdef MUST_FAIL
  std::cerr << text;
#else
  std::cerr << text.size();
#endif
}
