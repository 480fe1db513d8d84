#include "actors/gateway/http/request_reader.hpp"

#include "actors/gateway/http/strict_head.hpp"

namespace mayfly::actors::http {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t head_read_bytes = 4096;
constexpr std::size_t body_read_bytes = 64 * 1024;
// A chunk's header and extensions, and trailers, must fit in what is buffered.
constexpr std::size_t most_unparsed_bytes = 2 * body_read_bytes;

error to_error(ending how) {
  if (how == ending::timed_out) return {errc::request_timeout, "the request did not arrive in time", 0};
  return {errc::cancelled, "the peer left", 0};
}

} // namespace

request_reader::request_reader(connection& from, connection_limits const& limits)
    : from_(from), limits_(limits) {}

asio::awaitable<result<void>> request_reader::fill_head() {
  auto deadline = steady_clock::now() + limits_.head;
  for (;;) {
    // Blank lines before a request are tolerated (RFC 9112, section 2.2).
    while (received_.size() >= 2 && received_.reveal()[0] == '\r' && received_.reveal()[1] == '\n')
      received_.drop_front(2);
    auto const held = received_.size();
    auto const seen = std::as_const(received_).reveal();
    auto const size = head_size({seen.data(), seen.size()});
    if (size != std::string_view::npos && size <= limits_.head_bytes) co_return result<void>();
    if (held > limits_.head_bytes || size != std::string_view::npos)
      co_return error{errc::headers_too_large, "the head is too large", 0};
    bool const idle = held == 0;
    duration const left = idle ? duration(limits_.idle) : deadline - steady_clock::now();
    if (left <= duration::zero()) co_return to_error(ending::timed_out);
    received_.resize(held + head_read_bytes);
    auto const got = co_await from_.read_some(received_.reveal().subspan(held), left);
    received_.resize(held + got.bytes);
    if (got.how == ending::timed_out && idle) co_return to_error(ending::closed);
    if (got.how != ending::done) co_return to_error(got.how);
    if (idle) deadline = steady_clock::now() + limits_.head;
  }
}

asio::awaitable<result<request_facts>> request_reader::read_head() {
  auto filled = co_await fill_head();
  if (!filled) co_return filled.failure();
  auto const seen = std::as_const(received_).reveal();
  co_return parse_head(head_size({seen.data(), seen.size()}));
}

result<request_facts> request_reader::parse_head(std::size_t size) {
  auto const bytes = std::as_const(received_).reveal().first(size);
  auto begun = request_parsing::begin({bytes.data(), bytes.size()}, limits_.head_bytes, limits_.body_bytes);
  received_.drop_front(size);
  if (!begun) return begun.failure();
  request_.emplace(std::move(*begun));
  return request_->facts();
}

result<void> request_reader::put_body() {
  auto const bytes = std::as_const(received_).reveal();
  auto const taken = request_->put({bytes.data(), bytes.size()});
  if (!taken) return taken.failure();
  received_.drop_front(*taken);
  if (!request_->done() && received_.size() > most_unparsed_bytes)
    return error{errc::invalid_request, "a chunk's header is too large", 0};
  return {};
}

asio::awaitable<result<void>> request_reader::read_body() {
  auto const deadline = steady_clock::now() + limits_.body;
  for (;;) {
    auto put = put_body();
    if (!put) co_return put.failure();
    if (request_->done()) {
      if (received_.empty()) received_.clear();
      co_return result<void>();
    }
    auto const left = deadline - steady_clock::now();
    if (left <= duration::zero()) co_return to_error(ending::timed_out);
    auto const held = received_.size();
    received_.resize(held + body_read_bytes);
    auto const got = co_await from_.read_some(received_.reveal().subspan(held), left);
    received_.resize(held + got.bytes);
    if (got.how != ending::done) co_return to_error(got.how);
  }
}

std::string_view request_reader::field(std::string_view name) const { return request_->field(name); }
bool request_reader::repeated(std::string_view name) const { return request_->repeated(name); }
ephemeral_text& request_reader::body() { return request_->body(); }
bool request_reader::has_pipelined() const noexcept { return !received_.empty(); }

void request_reader::forget() {
  request_.reset();
  // The spare part behind what is still held was wiped as it was cut off; without any, the whole goes.
  if (received_.empty()) received_.clear();
}

} // namespace mayfly::actors::http
