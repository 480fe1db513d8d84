#include "actors/gateway/http/routes.hpp"

#include <array>

namespace mayfly::actors::http {
namespace {

struct entry {
  surface serves;
  std::string_view path;
  bool prefix; ///< the path goes on, by at least a character
  route where;
  bool post; ///< POST, else GET and HEAD
  bool needs_key;
};

constexpr std::array entries = {
    entry{surface::api, "/v1/chat/completions", false, route::chat_completions, true, true},
    entry{surface::api, "/v1/completions", false, route::completions, true, true},
    entry{surface::api, "/v1/models", false, route::models, false, true},
    entry{surface::api, "/v1/models/", true, route::model, false, true},
    entry{surface::api, "/v1/receipts/", true, route::receipt, false, true},
    entry{surface::api, "/openapi.json", false, route::openapi, false, false},
    entry{surface::api, "/healthz", false, route::healthz, false, false},
    entry{surface::api, "/readyz", false, route::readyz, false, false},
    entry{surface::admin, "/metrics", false, route::metrics, false, false},
    entry{surface::admin, "/healthz", false, route::healthz, false, false},
    entry{surface::admin, "/readyz", false, route::readyz, false, false},
};

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

} // namespace

route_match match_route(surface serves, method asked, std::string_view target) noexcept {
  route_match found;
  auto const query = target.find('?');
  found.has_query = query != std::string_view::npos;
  auto const path = target.substr(0, query);
  for (auto const& one : entries) {
    if (one.serves != serves) continue;
    bool const hit =
        one.prefix ? path.starts_with(one.path) && path.size() > one.path.size() : path == one.path;
    if (!hit) continue;
    found.where = one.where;
    found.rest = path.substr(one.path.size());
    found.needs_key = one.needs_key;
    found.allow = one.post ? literal("POST") : literal("GET, HEAD");
    found.allowed = one.post ? asked == method::post : asked == method::get || asked == method::head;
    return found;
  }
  return found;
}

result<std::string_view> origin_form(std::string_view target, std::string_view host) noexcept {
  error const refused{errc::malformed, "a request target names a path here, or this host", 0};
  if (target.starts_with('/')) return target;
  for (std::string_view const scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    if (host.empty() || !target.starts_with(host)) return refused;
    target.remove_prefix(host.size());
    return target.starts_with('/') ? result<std::string_view>(target) : refused;
  }
  return refused;
}

result<ephemeral_text> percent_decoded(std::string_view text) {
  ephemeral_text decoded;
  for (std::size_t index = 0; index < text.size(); ++index) {
    if (text[index] != '%') {
      decoded.push_back(text[index]);
      continue;
    }
    auto const high = text.size() - index > 2 ? digit_of(text[index + 1]) : -1;
    auto const low = text.size() - index > 2 ? digit_of(text[index + 2]) : -1;
    if (high < 0 || low < 0) return error{errc::malformed, "bad percent-encoding", 0};
    decoded.push_back(static_cast<char>(high * 16 + low));
    index += 2;
  }
  return decoded;
}

} // namespace mayfly::actors::http
