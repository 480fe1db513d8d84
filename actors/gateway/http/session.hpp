#pragma once
// One connection's requests, in order.
#include "actors/gateway/http/ingress.hpp"
#include "actors/gateway/http/request_reader.hpp"
#include "actors/gateway/http/response.hpp"

#include <atomic>

namespace mayfly::actors::http {

/// What sessions of one ingress share. Constant but for the flag.
struct ingress_state {
  ingress_options options;
  ingress_dependencies dependencies;
  std::atomic<bool> draining{false};
};

/// One request and its answer on their way through the session.
struct exchange {
  request_id id;
  request_facts facts; ///< valid until the reader forgets
  route_match match;
  request_record record;
  std::chrono::steady_clock::time_point began{};
  persistence after = persistence::close; ///< of the connection, when this is answered
  bool modern = true;
  bool head_only = false;
};

/// Serves a connection until it ends. `idle` is true while the session waits for a request's first byte.
asio::awaitable<void> serve(std::shared_ptr<connection> link, ingress_state const& shared,
                            std::shared_ptr<bool> idle);

/// A whole response for an exchange; sets its record's status.
ephemeral_text respond(exchange& of, std::uint16_t status, media type, std::string_view body);
/// The same for a refusal.
ephemeral_text respond(exchange& of, api::refusal const& why);

} // namespace mayfly::actors::http
