// Token ids have no way into a stream.
// expect: deleted
#include "protocol/base/ephemeral.hpp"

#include <iostream>

void show(mayfly::ephemeral_tokens const& tokens) {
#ifdef MUST_FAIL
  std::cerr << tokens;
#else
  std::cerr << tokens.size();
#endif
}
