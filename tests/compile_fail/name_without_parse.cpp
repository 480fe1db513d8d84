// A name is made by `parse` alone, which checks it.
// expect: (no matching function|could not convert|no matching conversion|no viable|no matching constructor)
#include "protocol/base/name.hpp"

mayfly::name model_of(std::string const& text) {
#ifdef MUST_FAIL
  return mayfly::name(text);
#else
  auto parsed = mayfly::name::parse(text);
  return parsed ? *parsed : mayfly::name();
#endif
}
