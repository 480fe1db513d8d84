#pragma once
// Runs one generation for a session: hands it to the gateway, and its events to the client.
#include "actors/gateway/http/session.hpp"

namespace mayfly::actors::http {

/// Submits the request and answers the client, streamed or whole; sees to it that `answer_over` is sent once
/// the client's TCP has the last byte and the buffers here are wiped. Fills the exchange's record. The
/// connection can go on only if `done` comes back and the exchange says `keep`.
asio::awaitable<ending> answer_generation(std::shared_ptr<connection> link, ingress_state const& shared,
                                          exchange& of, api::parsed_request request,
                                          std::uint64_t body_bytes);

/// Asks for a receipt and gives the whole response: 200 when it is final, 202 while the lease is open.
asio::awaitable<ephemeral_text> answer_receipt(std::shared_ptr<connection> link, ingress_state const& shared,
                                               exchange& of, request_id wanted);

} // namespace mayfly::actors::http
