#include "actors/gateway/http/request_reader.hpp"

#include "actors/gateway/http/strict_head.hpp"

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>

namespace mayfly::actors::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr std::size_t head_read_bytes = 4096;
constexpr std::size_t body_read_bytes = 64 * 1024;
// A chunk's header and extensions, and trailers, must fit in what is buffered.
constexpr std::size_t most_unparsed_bytes = 2 * body_read_bytes;

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// A Beast body that appends to ephemeral memory.
struct ephemeral_body {
  using value_type = ephemeral_text;
  class reader {
  public:
    template <bool IsRequest, class Fields>
    reader(beast_http::header<IsRequest, Fields>&, value_type& body) : body_(body) {}
    void init(boost::optional<std::uint64_t> const&, error_code& problem) { problem = {}; }
    template <class Buffers>
    std::size_t put(Buffers const& buffers, error_code& problem) {
      problem = {};
      std::size_t taken = 0;
      for (boost::asio::const_buffer const piece : boost::beast::buffers_range(buffers)) {
        body_.append({static_cast<char const*>(piece.data()), piece.size()});
        taken += piece.size();
      }
      return taken;
    }
    void finish(error_code& problem) { problem = {}; }

  private:
    value_type& body_;
  };
};

using request_parser = beast_http::parser<true, ephemeral_body, ephemeral_allocator<char>>;

error to_error(error_code problem) {
  if (problem == beast_http::error::body_limit) return {errc::body_too_large, "the body is too large", 0};
  if (problem == beast_http::error::header_limit)
    return {errc::headers_too_large, "the head is too large", 0};
  return {errc::invalid_request, "malformed HTTP", problem.value()};
}

error to_error(ending how) {
  if (how == ending::timed_out) return {errc::request_timeout, "the request did not arrive in time", 0};
  return {errc::cancelled, "the peer left", 0};
}

} // namespace

struct request_reader::parser_state {
  request_parser parser;
};

request_reader::request_reader(connection& from, connection_limits const& limits)
    : from_(from), limits_(limits) {}
request_reader::~request_reader() = default;

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
  auto strict = check_head({bytes.data(), bytes.size()});
  if (!strict) return error{errc::invalid_request, strict.failure().what, strict.failure().number};
  parser_ = std::make_unique<parser_state>();
  auto& parser = parser_->parser;
  parser.header_limit(static_cast<std::uint32_t>(limits_.head_bytes));
  parser.body_limit(limits_.body_bytes);
  error_code problem;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), problem);
  received_.drop_front(size);
  if (problem) return to_error(problem);
  if (!parser.is_header_done()) return error{errc::invalid_request, "malformed HTTP", 0};
  auto const& head = parser.get();
  request_facts facts;
  if (head.method() == beast_http::verb::get) facts.asked = method::get;
  if (head.method() == beast_http::verb::head) facts.asked = method::head;
  if (head.method() == beast_http::verb::post) facts.asked = method::post;
  facts.modern = head.version() == 11;
  facts.keep_alive = facts.modern && head.keep_alive();
  facts.has_body = !parser.is_done();
  auto const expect = field("expect");
  facts.expects_continue = boost::beast::iequals({expect.data(), expect.size()}, "100-continue");
  if (!expect.empty() && !facts.expects_continue)
    return error{errc::invalid_request, "an expectation that is not known here", 0};
  auto const target = origin_form(view_of(head.target()), field("host"));
  if (!target) return error{errc::invalid_request, target.failure().what, 0};
  facts.target = *target;
  return facts;
}

result<void> request_reader::put_body() {
  auto& parser = parser_->parser;
  while (!parser.is_done() && !received_.empty()) {
    error_code problem;
    auto const bytes = std::as_const(received_).reveal();
    auto const used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), problem);
    received_.drop_front(used);
    if (problem == beast_http::error::need_more) {
      if (received_.size() > most_unparsed_bytes)
        return error{errc::invalid_request, "a chunk's header is too large", 0};
      return {};
    }
    if (problem) return to_error(problem);
    if (used == 0) return {};
  }
  return {};
}

asio::awaitable<result<void>> request_reader::read_body() {
  auto& parser = parser_->parser;
  parser.eager(true);
  auto const deadline = steady_clock::now() + limits_.body;
  for (;;) {
    auto put = put_body();
    if (!put) co_return put.failure();
    if (parser.is_done()) {
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

std::string_view request_reader::field(std::string_view name) const {
  auto const& head = parser_->parser.get();
  auto const found = head.find(boost::beast::string_view(name.data(), name.size()));
  return found == head.end() ? std::string_view() : view_of(found->value());
}

bool request_reader::repeated(std::string_view name) const {
  return parser_->parser.get().count(boost::beast::string_view(name.data(), name.size())) > 1;
}

ephemeral_text& request_reader::body() { return parser_->parser.get().body(); }
bool request_reader::has_pipelined() const noexcept { return !received_.empty(); }

void request_reader::forget() {
  parser_.reset();
  // The spare part behind what is still held was wiped as it was cut off; without any, the whole goes.
  if (received_.empty()) received_.clear();
}

} // namespace mayfly::actors::http
