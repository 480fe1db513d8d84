#include "protocol/base/error.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace mayfly {
namespace {

struct code_name {
  errc code;
  std::string_view name;
};

constexpr auto names = std::to_array<code_name>({
    {errc::ok, "ok"},
    {errc::invalid_request, "invalid_request"},
    {errc::unauthorized, "unauthorized"},
    {errc::forbidden, "forbidden"},
    {errc::not_found, "not_found"},
    {errc::model_not_found, "model_not_found"},
    {errc::method_not_allowed, "method_not_allowed"},
    {errc::request_timeout, "request_timeout"},
    {errc::body_too_large, "body_too_large"},
    {errc::headers_too_large, "headers_too_large"},
    {errc::context_length_exceeded, "context_length_exceeded"},
    {errc::rate_limited, "rate_limited"},
    {errc::retention_refused, "retention_refused"},
    {errc::unsupported_media_type, "unsupported_media_type"},
    {errc::overloaded, "overloaded"},
    {errc::no_worker, "no_worker"},
    {errc::worker_lost, "worker_lost"},
    {errc::deadline_exceeded, "deadline_exceeded"},
    {errc::cancelled, "cancelled"},
    {errc::draining, "draining"},
    {errc::internal, "internal"},
    {errc::unavailable, "unavailable"},
    {errc::malformed, "malformed"},
    {errc::unsupported, "unsupported"},
    {errc::too_large, "too_large"},
    {errc::truncated, "truncated"},
    {errc::content_not_marked, "content_not_marked"},
    {errc::version_mismatch, "version_mismatch"},
    {errc::untrusted, "untrusted"},
    {errc::io, "io"},
    {errc::out_of_memory, "out_of_memory"},
    {errc::not_permitted, "not_permitted"},
    {errc::configuration, "configuration"},
    {errc::backend_failed, "backend_failed"},
});

} // namespace

std::string_view name_of(errc code) noexcept {
  auto const found = std::ranges::find(names, code, &code_name::code);
  return found == names.end() ? std::string_view("unknown") : found->name;
}

std::string in_words(error const& failure) {
  std::string text(failure.what.view());
  if (failure.number == 0) return text;
  auto const number = failure.code == errc::io
                          ? std::generic_category().message(static_cast<int>(failure.number))
                          : std::to_string(failure.number);
  return text + " (" + number + ")";
}

} // namespace mayfly
