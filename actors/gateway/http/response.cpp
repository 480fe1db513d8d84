#include "actors/gateway/http/response.hpp"

#include "protocol/base/clock.hpp"

#include <array>
#include <charconv>
#include <ctime>

namespace mayfly::actors::http {
namespace {

constexpr std::size_t size_digits = 8;
constexpr std::string_view line_end = "\r\n";

literal reason_of(std::uint16_t status) noexcept {
  switch (status) {
  case 200:
    return "OK";
  case 202:
    return "Accepted";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 413:
    return "Content Too Large";
  case 415:
    return "Unsupported Media Type";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  default:
    return "Internal Server Error";
  }
}

literal name_of(media type) noexcept {
  switch (type) {
  case media::json:
    return "application/json";
  case media::events:
    return "text/event-stream; charset=utf-8";
  case media::text:
    return "text/plain; charset=utf-8";
  case media::metrics:
    return "text/plain; version=0.0.4; charset=utf-8";
  }
  return "text/plain";
}

void append_number(ephemeral_text& out, std::uint64_t number) {
  char digits[24];
  auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append({digits, static_cast<std::size_t>(end - digits)});
}

void append_field(ephemeral_text& out, std::string_view field, std::string_view value) {
  out.append(field);
  out.append(value);
  out.append(line_end);
}

/// RFC 9110, section 5.6.7; names by hand, for strftime follows the locale.
void append_date(ephemeral_text& out) {
  constexpr std::array days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t const now = unix_milliseconds() / 1000;
  std::tm parts{};
  gmtime_r(&now, &parts);
  auto const two = [&](int number, char after) {
    out.push_back(static_cast<char>('0' + number / 10 % 10));
    out.push_back(static_cast<char>('0' + number % 10));
    out.push_back(after);
  };
  out.append("date: ");
  out.append(days[static_cast<std::size_t>(parts.tm_wday)]);
  out.append(", ");
  two(parts.tm_mday, ' ');
  out.append(months[static_cast<std::size_t>(parts.tm_mon)]);
  out.push_back(' ');
  append_number(out, static_cast<std::uint64_t>(parts.tm_year) + 1900);
  out.push_back(' ');
  two(parts.tm_hour, ':');
  two(parts.tm_min, ':');
  two(parts.tm_sec, ' ');
  out.append("GMT\r\n");
}

} // namespace

void write_head(ephemeral_text& out, response_head const& head) {
  out.reserve(out.size() + 512);
  out.append("HTTP/1.1 ");
  append_number(out, head.status);
  out.push_back(' ');
  append_field(out, reason_of(head.status).view(), "");
  append_date(out);
  append_field(out, "content-type: ", name_of(head.type).view());
  append_field(out, "x-request-id: ", head.request.text());
  append_field(out, "cache-control: ", "no-store");
  append_field(out, "x-content-type-options: ", "nosniff");
  if (head.body_bytes) {
    out.append("content-length: ");
    append_number(out, *head.body_bytes);
    out.append(line_end);
  } else if (head.chunked) {
    append_field(out, "transfer-encoding: ", "chunked");
  }
  if (!head.allow.view().empty()) append_field(out, "allow: ", head.allow.view());
  if (head.challenge) append_field(out, "www-authenticate: ", "Bearer");
  if (head.retry_seconds != 0) {
    out.append("retry-after: ");
    append_number(out, head.retry_seconds);
    out.append(line_end);
  }
  append_field(out, "connection: ", head.after == persistence::keep ? "keep-alive" : "close");
  out.append(line_end);
}

ephemeral_text whole_response(response_head head, std::string_view body, bool omit_body) {
  ephemeral_text out;
  head.body_bytes = body.size();
  out.reserve(1024 + body.size());
  write_head(out, head);
  if (!omit_body) out.append(body);
  return out;
}

void chunk_frame::open() {
  start_ = out_.size();
  open_ = true;
  if (chunked_) out_.append("00000000\r\n");
}

void chunk_frame::close() {
  open_ = false;
  if (!chunked_) return;
  auto const body = start_ + size_digits + line_end.size();
  auto size = out_.size() - body;
  if (size == 0) return out_.resize(start_);
  auto digits = out_.characters().reveal().subspan(start_, size_digits);
  for (std::size_t index = size_digits; index-- > 0; size >>= 4)
    digits[index] = "0123456789abcdef"[size & 15];
  out_.append(line_end);
}

void chunk_frame::end() {
  if (chunked_) out_.append("0\r\n\r\n");
}

} // namespace mayfly::actors::http
