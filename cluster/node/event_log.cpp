#include "cluster/node/event_log.hpp"

#include "protocol/base/clock.hpp"

#include <unistd.h>

namespace mayfly::node {

event_log::event_log(literal event) {
  line_ = "{\"time_ms\": " + std::to_string(unix_milliseconds()) + ", \"event\": \"" +
          std::string(event.view()) + "\"";
}

event_log::~event_log() {
  line_ += "}\n";
  // One write a line: lines of several processes on one file do not mix (POSIX, O_APPEND).
  [[maybe_unused]] auto const written = write(STDERR_FILENO, line_.data(), line_.size());
}

event_log& event_log::with(literal key, std::string_view value) {
  std::string quoted = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return add(key, quoted + "\"");
}

event_log& event_log::add(literal key, std::string_view json) {
  line_ += ", \"";
  line_ += key.view();
  line_ += "\": ";
  line_ += json;
  return *this;
}

} // namespace mayfly::node
