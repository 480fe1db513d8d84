#include "actors/gateway/http/admission.hpp"

#include <algorithm>

namespace mayfly::actors::http {
namespace {

using verdict = std::optional<api::refusal>;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_word(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

verdict check_route(exchange& of, ingress_state const& shared) {
  of.match = match_route(shared.options.serves, of.facts.asked, of.facts.target);
  if (of.match.where == route::unknown) return api::refuse(errc::not_found);
  if (!of.match.allowed) return api::refuse(errc::method_not_allowed);
  return std::nullopt;
}

verdict check_key(exchange& of, request_reader const& from, ingress_state const& shared) {
  if (!of.match.needs_key) return std::nullopt;
  constexpr std::string_view scheme = "bearer ";
  auto const given = from.field("authorization");
  if (from.repeated("authorization") || given.size() <= scheme.size() ||
      !same_word(given.substr(0, scheme.size()), scheme))
    return api::refuse(errc::unauthorized);
  auto const account = shared.dependencies.accounts->find(given.substr(scheme.size()));
  if (!account) return api::refuse(errc::unauthorized);
  of.record.account = account->id;
  return std::nullopt;
}

/// privacy.md: clients may tighten a policy, never loosen it; here the policy is "none", no third party is
/// served, and no region can be promised yet.
verdict check_retention(request_reader const& from) {
  for (std::string_view const field : {"Mayfly-Retention", "Mayfly-Third-Party", "Mayfly-Region"}) {
    auto const asked = from.field(field);
    if (from.repeated(field) || (!asked.empty() && !same_word(asked, "none"))) {
      auto why = api::refuse(errc::retention_refused, "retention_refused",
                             "What this header asks cannot be met here; leave it out, or say \"none\".");
      why.param.append(field);
      return why;
    }
  }
  return std::nullopt;
}

verdict check_body_type(exchange const& of, request_reader const& from) {
  if (of.facts.asked != method::post) return std::nullopt;
  auto const type = from.field("content-type");
  auto essence = type.substr(0, type.find(';'));
  while (!essence.empty() && (essence.back() == ' ' || essence.back() == '\t')) essence.remove_suffix(1);
  auto const coding = from.field("content-encoding");
  if (!same_word(essence, "application/json") || from.repeated("content-type") ||
      (!coding.empty() && !same_word(coding, "identity")))
    return api::refuse(errc::unsupported_media_type);
  if (of.match.has_query)
    return api::refuse(errc::invalid_request, "unknown_parameter", "This path takes no query parameters.");
  return std::nullopt;
}

verdict check_draining(exchange const& of, ingress_state const& shared) {
  if (of.facts.asked != method::post || !shared.draining) return std::nullopt;
  return api::refuse(error{errc::draining, "this node is draining", 1});
}

} // namespace

verdict admit(exchange& of, request_reader const& from, ingress_state const& shared) {
  if (auto why = check_route(of, shared)) return why;
  if (auto why = check_key(of, from, shared)) return why;
  if (auto why = check_retention(from)) return why;
  if (auto why = check_body_type(of, from)) return why;
  return check_draining(of, shared);
}

} // namespace mayfly::actors::http
