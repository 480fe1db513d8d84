#include "actors/api/refusal.hpp"

#include "actors/api/json_writer.hpp"

#include <charconv>

namespace mayfly::actors::api {
namespace {

struct face {
  errc code;
  std::uint16_t status;
  literal type;
  literal reason;
  literal message;
};

// clang-format off
constexpr face faces[] = {
    {errc::invalid_request, 400, "invalid_request_error", "", "The request is malformed."},
    {errc::unauthorized, 401, "invalid_request_error", "invalid_api_key", "Incorrect or missing API key. Send 'Authorization: Bearer <key>'."},
    {errc::forbidden, 403, "invalid_request_error", "forbidden", "This key may not do that."},
    {errc::not_found, 404, "invalid_request_error", "not_found", "There is nothing at this path."},
    {errc::model_not_found, 404, "invalid_request_error", "model_not_found", "This model does not exist here. GET /v1/models lists those that do."},
    {errc::method_not_allowed, 405, "invalid_request_error", "method_not_allowed", "This path does not take that method; the Allow header names those it takes."},
    {errc::request_timeout, 408, "invalid_request_error", "request_timeout", "The request did not arrive in time."},
    {errc::body_too_large, 413, "invalid_request_error", "body_too_large", "The request's body is too large."},
    {errc::headers_too_large, 431, "invalid_request_error", "headers_too_large", "The request's headers are too large."},
    {errc::context_length_exceeded, 400, "invalid_request_error", "context_length_exceeded", "The prompt, or the prompt and max_tokens together, exceed the model's context."},
    {errc::rate_limited, 429, "rate_limit_error", "rate_limit_exceeded", "Too many requests."},
    {errc::retention_refused, 400, "invalid_request_error", "retention_refused", "The asked retention cannot be met."},
    {errc::unsupported_media_type, 415, "invalid_request_error", "unsupported_media_type", "Send the body as application/json."},
    {errc::overloaded, 429, "rate_limit_error", "overloaded", "Every worker's queue is full. Try again soon."},
    {errc::no_worker, 503, "server_error", "no_worker", "No ready worker serves this model."},
    {errc::worker_lost, 502, "server_error", "worker_lost", "The worker was lost while it answered."},
    {errc::deadline_exceeded, 504, "server_error", "deadline_exceeded", "The request's deadline passed."},
    {errc::cancelled, 499, "server_error", "cancelled", "The request was cancelled."},
    {errc::draining, 503, "server_error", "draining", "This node is stopping: try another, or again."},
    {errc::unavailable, 503, "server_error", "unavailable", "A part of the cluster that the request needs is gone."},
};
// clang-format on
constexpr face internal_face{errc::internal, 500, "server_error", "internal", "The server made an error."};

face const& face_of(errc code) noexcept {
  for (auto const& entry : faces)
    if (entry.code == code) return entry;
  return internal_face;
}

void write_or_null(json_writer& out, std::string_view text) {
  if (text.empty())
    out.raw("null");
  else
    out.string(text);
}

} // namespace

std::uint16_t status_of(errc code) noexcept { return face_of(code).status; }
literal type_of(errc code) noexcept { return face_of(code).type; }

refusal refuse(errc code) { return refuse(code, face_of(code).reason, face_of(code).message); }

refusal refuse(errc code, literal reason, literal message) {
  refusal made;
  made.code = code;
  made.reason = reason;
  made.message.append(message.view());
  return made;
}

refusal refuse_field(literal reason, std::string_view param, literal message) {
  refusal made;
  made.reason = reason;
  made.param.append(param);
  made.message.push_back('\'');
  made.message.append(param);
  made.message.append("' ");
  made.message.append(message.view());
  return made;
}

namespace {

/// Appends " It has room for 512 tokens."
void append_bound(ephemeral_text& message, literal before, std::int64_t bound, literal after) {
  char text[24];
  auto const end = std::to_chars(text, text + sizeof text, bound).ptr;
  message.append(before.view());
  message.append({text, static_cast<std::size_t>(end - text)});
  message.append(after.view());
}

} // namespace

refusal refuse(error const& failure) {
  auto made = refuse(failure.code);
  auto const number = failure.number;
  if (failure.code == errc::context_length_exceeded && number > 0)
    append_bound(made.message, " It has room for ", number, " tokens.");
  if (failure.code == errc::body_too_large && number > 0)
    append_bound(made.message, " It may have at most ", number, " bytes.");
  auto const status = status_of(failure.code);
  if (status == 429 || status == 503)
    made.retry_seconds = number > 0 && number < 3600 ? static_cast<std::uint32_t>(number) : 1;
  return made;
}

void write_refusal(ephemeral_text& out, refusal const& why) {
  json_writer json(out);
  json.raw(R"({"error":{"message":)").string(why.message.reveal());
  json.raw(R"(,"type":)").string(type_of(why.code).view());
  json.raw(R"(,"param":)");
  write_or_null(json, why.param.reveal());
  json.raw(R"(,"code":)");
  write_or_null(json, why.reason.view());
  json.raw("}}");
}

} // namespace mayfly::actors::api
