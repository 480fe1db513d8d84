#pragma once
// Whether a request may go on, decided from its head alone: before a byte of its body is accepted.
#include "actors/gateway/http/session.hpp"

namespace mayfly::actors::http {

/// Matches the route, and checks the method, the key, what the client demands of retention, and the body's
/// type. Fills the exchange's match and the record's account. Nothing: go on.
std::optional<api::refusal> admit(exchange& of, request_reader const& from, ingress_state const& shared);

} // namespace mayfly::actors::http
