#include "actors/gateway/http/request_parsing.hpp"

#include "actors/gateway/http/strict_head.hpp"

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>

namespace mayfly::actors::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

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

error to_error(error_code problem, std::size_t body_bytes) {
  if (problem == beast_http::error::body_limit)
    return {errc::body_too_large, "the body is too large", static_cast<std::int64_t>(body_bytes)};
  if (problem == beast_http::error::header_limit)
    return {errc::headers_too_large, "the head is too large", 0};
  return {errc::invalid_request, "malformed HTTP", problem.value()};
}

} // namespace

struct request_parsing::state {
  request_parser parser;
  std::size_t body_bytes = 0; ///< at most
};

request_parsing::request_parsing(std::unique_ptr<state> made) : state_(std::move(made)) {}
request_parsing::request_parsing(request_parsing&&) noexcept = default;
request_parsing& request_parsing::operator=(request_parsing&&) noexcept = default;
request_parsing::~request_parsing() = default;

result<request_parsing> request_parsing::begin(std::string_view head, std::size_t head_bytes,
                                               std::size_t body_bytes) {
  auto strict = check_head(head);
  if (!strict) return error{errc::invalid_request, strict.failure().what, strict.failure().number};
  request_parsing made(std::make_unique<state>());
  auto& parser = made.state_->parser;
  parser.header_limit(static_cast<std::uint32_t>(head_bytes));
  parser.body_limit(body_bytes);
  made.state_->body_bytes = body_bytes;
  error_code problem;
  parser.put(boost::asio::buffer(head.data(), head.size()), problem);
  if (problem) return to_error(problem, body_bytes);
  if (!parser.is_header_done()) return error{errc::invalid_request, "malformed HTTP", 0};
  parser.eager(true);
  auto read = made.read_facts();
  if (!read) return read.failure();
  return made;
}

result<void> request_parsing::read_facts() {
  auto const& head = state_->parser.get();
  if (head.method() == beast_http::verb::get) facts_.asked = method::get;
  if (head.method() == beast_http::verb::head) facts_.asked = method::head;
  if (head.method() == beast_http::verb::post) facts_.asked = method::post;
  facts_.modern = head.version() == 11;
  facts_.keep_alive = facts_.modern && head.keep_alive();
  facts_.has_body = !state_->parser.is_done();
  auto const expect = field("expect");
  facts_.expects_continue = boost::beast::iequals({expect.data(), expect.size()}, "100-continue");
  if (!expect.empty() && !facts_.expects_continue)
    return error{errc::invalid_request, "an expectation that is not known here", 0};
  auto const target = origin_form(view_of(head.target()), field("host"));
  if (!target) return error{errc::invalid_request, target.failure().what, 0};
  facts_.target = *target;
  return {};
}

std::optional<std::uint64_t> request_parsing::announced_bytes() const {
  auto const length = state_->parser.content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}
bool request_parsing::chunked() const { return state_->parser.chunked(); }
bool request_parsing::done() const { return state_->parser.is_done(); }

result<std::size_t> request_parsing::put(std::string_view bytes) {
  std::size_t taken = 0;
  while (!done() && taken < bytes.size()) {
    error_code problem;
    auto const rest = bytes.substr(taken);
    auto const used = state_->parser.put(boost::asio::buffer(rest.data(), rest.size()), problem);
    taken += used;
    if (problem && problem != beast_http::error::need_more) return to_error(problem, state_->body_bytes);
    if (problem || used == 0) break;
  }
  return taken;
}

std::string_view request_parsing::field(std::string_view name) const {
  auto const& head = state_->parser.get();
  auto const found = head.find(boost::beast::string_view(name.data(), name.size()));
  return found == head.end() ? std::string_view() : view_of(found->value());
}

bool request_parsing::repeated(std::string_view name) const {
  return state_->parser.get().count(boost::beast::string_view(name.data(), name.size())) > 1;
}

ephemeral_text& request_parsing::body() { return state_->parser.get().body(); }

} // namespace mayfly::actors::http
