// Any head: what the strict check lets through Beast parses too, and both see the same body length. A
// difference is what request smuggling lives on.
#include "actors/gateway/http/routes.hpp"
#include "actors/gateway/http/strict_head.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace mayfly::actors::http;
namespace beast_http = boost::beast::http;

/// The Content-Length that a naive reader would find, or -1.
long long naive_length(std::string_view head) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    constexpr std::string_view name = "content-length:";
    auto line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() < name.size()) continue;
    bool same = true;
    for (std::size_t index = 0; index < name.size(); ++index)
      same = same && (line[index] | 32) == (name[index] | 32);
    if (same) return std::atoll(std::string(line.substr(name.size())).c_str());
  }
  return -1;
}

void check(std::string_view bytes) {
  auto const size = head_size(bytes);
  if (size == std::string_view::npos || size > 16 * 1024) return;
  auto const head = bytes.substr(0, size);
  if (!check_head(head)) return;
  beast_http::request_parser<beast_http::string_body> parser;
  parser.header_limit(16 * 1024);
  parser.body_limit(boost::none);
  boost::system::error_code problem;
  parser.put(boost::asio::buffer(head.data(), head.size()), problem);
  // Beast may still refuse (a Connection field that is no list); it must not go on reading the head.
  if (problem && problem != beast_http::error::need_more) return;
  if (!parser.is_header_done()) std::abort();
  auto const length = parser.content_length();
  auto const naive = naive_length(head);
  if (length ? naive != static_cast<long long>(*length) : naive > 0) std::abort();
  if (length && parser.chunked()) std::abort();
  auto const target = parser.get().target();
  match_route(surface::api, method::get, {target.data(), target.size()});
  (void)percent_decoded({target.data(), target.size()});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  check({reinterpret_cast<char const*>(data), size});
  return 0;
}
