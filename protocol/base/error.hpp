#pragma once
// The one list of errors. Numbers are frozen: they travel between versions and stand in request logs.
#include "protocol/base/literal.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace mayfly {

enum class errc : std::uint16_t {
  ok = 0,
  // the request (1-99): the client can mend it
  invalid_request = 1,          ///< malformed or unsupported; HTTP 400
  unauthorized = 2,             ///< missing or unknown API key; 401
  forbidden = 3,                ///< known, but not allowed; 403
  not_found = 4,                ///< no such path, receipt; 404
  model_not_found = 5,          ///< no such model in the catalogue; 404
  method_not_allowed = 6,       ///< 405
  request_timeout = 7,          ///< the client was too slow to send; 408
  body_too_large = 8,           ///< 413
  headers_too_large = 9,        ///< 431
  context_length_exceeded = 10, ///< prompt and max_tokens do not fit the model's context; 400
  rate_limited = 11,            ///< 429
  retention_refused = 12,       ///< the asked retention cannot be met; 400
  unsupported_media_type = 13,  ///< 415
  // the cluster (100-199): the operator can mend it, or time
  overloaded = 100,        ///< queues are full; 429 with Retry-After
  no_worker = 101,         ///< no ready worker serves the model; 503
  worker_lost = 102,       ///< the worker died mid-stream; 502 or an error event
  deadline_exceeded = 103, ///< the request's deadline passed; 504
  cancelled = 104,         ///< the client left
  draining = 105,          ///< the node takes nothing new; 503
  internal = 106,          ///< a bug of ours; 500
  unavailable = 107,       ///< a part of the cluster that the request needs is gone; 503
  // bytes from outside (200-299)
  malformed = 200,          ///< does not follow its format
  unsupported = 201,        ///< follows its format, but uses what we do not know
  too_large = 202,          ///< beyond a stated bound
  truncated = 203,          ///< ends too early
  content_not_marked = 204, ///< a message kind that holds content came without the ephemeral mark
  version_mismatch = 205,   ///< no common protocol version
  untrusted = 206,          ///< a key that nobody trusts, a signature that does not hold
  // the machine (300-399)
  io = 300,
  out_of_memory = 301,
  not_permitted = 302,
  configuration = 303,
  backend_failed = 304, ///< a compute backend or a collective failed
};

/// The name of a code as it stands in logs and answers ("model_not_found").
std::string_view name_of(errc code) noexcept;

/// What went wrong. Carries no content by construction: the explanation is a literal of the source, the rest
/// is a number (a byte offset, an index, errno: the explanation says which).
struct error {
  errc code = errc::internal;
  literal what;
  std::int64_t number = 0;
};

/// The explanation and, in parentheses, what the number says: with io errno's words.
std::string in_words(error const& failure);

} // namespace mayfly
