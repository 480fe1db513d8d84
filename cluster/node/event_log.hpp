#pragma once
// What happens to the cluster's processes, for its operator: one JSON line an event on standard error. Keys
// are literals; values are numbers, names of the configuration and explanations of our own: never content.
#include "protocol/base/literal.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace mayfly::node {

/// Collects one event and writes it when it goes out of scope: `event_log("ended").with("pid", 7);`
class event_log {
public:
  explicit event_log(literal event);
  ~event_log();
  event_log(event_log const&) = delete;
  event_log& operator=(event_log const&) = delete;

  template <std::integral Number>
  event_log& with(literal key, Number value) {
    return add(key, std::to_string(value));
  }
  /// Text of the operator's own configuration or of this program.
  event_log& with(literal key, std::string_view value);

private:
  event_log& add(literal key, std::string_view json);
  std::string line_;
};

} // namespace mayfly::node
