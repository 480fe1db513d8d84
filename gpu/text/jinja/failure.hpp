#pragma once
#include "protocol/base/error.hpp"

namespace mayfly::gpu::jinja {

/// Thrown inside the interpreter alone; chat_template catches it. `number` is a line of the template.
struct failure {
  error cause;
};

[[noreturn]] inline void fail(errc code, literal what, std::int64_t line = 0) {
  throw failure{{code, what, line}};
}

} // namespace mayfly::gpu::jinja
