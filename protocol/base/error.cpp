#include "protocol/base/error.hpp"

namespace mayfly {

std::string_view name_of(errc code) noexcept {
  switch (code) {
  case errc::ok:
    return "ok";
  case errc::invalid_request:
    return "invalid_request";
  case errc::unauthorized:
    return "unauthorized";
  case errc::forbidden:
    return "forbidden";
  case errc::not_found:
    return "not_found";
  case errc::model_not_found:
    return "model_not_found";
  case errc::method_not_allowed:
    return "method_not_allowed";
  case errc::request_timeout:
    return "request_timeout";
  case errc::body_too_large:
    return "body_too_large";
  case errc::headers_too_large:
    return "headers_too_large";
  case errc::context_length_exceeded:
    return "context_length_exceeded";
  case errc::rate_limited:
    return "rate_limited";
  case errc::retention_refused:
    return "retention_refused";
  case errc::unsupported_media_type:
    return "unsupported_media_type";
  case errc::overloaded:
    return "overloaded";
  case errc::no_worker:
    return "no_worker";
  case errc::worker_lost:
    return "worker_lost";
  case errc::deadline_exceeded:
    return "deadline_exceeded";
  case errc::cancelled:
    return "cancelled";
  case errc::draining:
    return "draining";
  case errc::internal:
    return "internal";
  case errc::unavailable:
    return "unavailable";
  case errc::malformed:
    return "malformed";
  case errc::unsupported:
    return "unsupported";
  case errc::too_large:
    return "too_large";
  case errc::truncated:
    return "truncated";
  case errc::content_not_marked:
    return "content_not_marked";
  case errc::version_mismatch:
    return "version_mismatch";
  case errc::untrusted:
    return "untrusted";
  case errc::io:
    return "io";
  case errc::out_of_memory:
    return "out_of_memory";
  case errc::not_permitted:
    return "not_permitted";
  case errc::configuration:
    return "configuration";
  case errc::backend_failed:
    return "backend_failed";
  }
  return "unknown";
}

} // namespace mayfly
