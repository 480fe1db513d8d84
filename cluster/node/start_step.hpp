#pragma once
// What a process is about to do while it starts, so that the operator reads what failed and how to mend it.
#include "protocol/base/error.hpp"

#include <string>

namespace mayfly::node {

struct start_step {
  std::string subject; ///< the operator's own path or address; empty: none
  std::string advice;  ///< a sentence, without a full stop
};

/// "the port is taken (Address already in use): 127.0.0.1:8080. Take another with --port."
inline std::string refusal_at(start_step const& step, error const& why) {
  return in_words(why) + (step.subject.empty() ? "" : ": " + step.subject) +
         (step.advice.empty() ? "" : ". " + step.advice + (step.advice.ends_with('?') ? "" : "."));
}

} // namespace mayfly::node
