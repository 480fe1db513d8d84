// Any request: where it is accepted, a naive reader and Beast see the same body length, and no more is taken
// for its body. A difference is what request smuggling lives on.
#include "actors/gateway/http/request_parsing.hpp"
#include "actors/gateway/http/strict_head.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace mayfly::actors::http;

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
  auto request = request_parsing::begin(head, 16 * 1024, 1 << 20);
  if (!request) return;
  auto const length = request->announced_bytes();
  auto const naive = naive_length(head);
  if (length ? naive != static_cast<long long>(*length) : naive > 0) std::abort();
  if (length && request->chunked()) std::abort();
  match_route(surface::api, request->facts().asked, request->facts().target);
  (void)percent_decoded(request->facts().target);
  auto const body = bytes.substr(size);
  auto const taken = request->put(body);
  if (!taken) return;
  if (*taken > body.size() || request->body().size() > *taken) std::abort();
  if (length && request->done() && request->body().size() != *length) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  check({reinterpret_cast<char const*>(data), size});
  return 0;
}
