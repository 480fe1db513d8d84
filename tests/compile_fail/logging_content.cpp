// The log takes no content.
// expect: (formattable|formatter|format)
#define SPDLOG_COMPILED_LIB
#define SPDLOG_FMT_EXTERNAL
#include "protocol/base/ephemeral.hpp"

#include <spdlog/spdlog.h>

void record(mayfly::ephemeral_text const& text) {
#ifdef MUST_FAIL
  spdlog::info("{}", text);
#else
  spdlog::info("{}", text.size());
#endif
}
