#pragma once
// Which path means what. Pure.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/literal.hpp"
#include "protocol/base/result.hpp"

#include <cstdint>
#include <string_view>

namespace mayfly::actors::http {

/// What a listener serves.
enum class surface : std::uint8_t {
  api = 0,   ///< clients
  admin = 1, ///< metrics and health, on a loopback port
};

enum class route : std::uint8_t {
  unknown = 0,
  chat_completions = 1,
  completions = 2,
  models = 3,
  model = 4,
  openapi = 5,
  receipt = 6,
  healthz = 7,
  readyz = 8,
  metrics = 9,
};

enum class method : std::uint8_t { get = 0, head = 1, post = 2, other = 3 };

struct route_match {
  route where = route::unknown;
  std::string_view rest; ///< what follows a prefix route ("/v1/models/<rest>"), still percent-encoded
  literal allow{""};     ///< the methods that the path takes, for the Allow header
  bool allowed = false;  ///< the asked method is one of them
  bool needs_key = false;
  bool has_query = false;
};

/// Looks up a request target in origin form ("/path?query").
route_match match_route(surface serves, method asked, std::string_view target) noexcept;

/// The path and query of a target: origin form as it is, absolute form ("http://host/path") only if its
/// authority is `host`. Errors: malformed.
result<std::string_view> origin_form(std::string_view target, std::string_view host) noexcept;

/// Undoes percent-encoding. Errors: malformed.
result<ephemeral_text> percent_decoded(std::string_view text);

} // namespace mayfly::actors::http
