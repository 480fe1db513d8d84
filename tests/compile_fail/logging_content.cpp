// The log takes no content.
// expect: (formattable|formatter|format)
#include "protocol/base/ephemeral.hpp"

#include <spdlog/spdlog.h>

void record(mayfly::ephemeral_text const& text) {
#ifdef MUST_FAIL
  spdlog::info("{}", text);
#else
  spdlog::info("{}", text.size());
#endif
}
