#pragma once
// Shared by the tests of request parsing: one catalogue, short ways to parse and to look at a refusal.
#include "actors/api/request.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace mayfly::actors::api {

inline model_catalogue const& catalogue() {
  static auto const made =
      *model_catalogue::make({{*name::parse("tiny"), {*name::parse("small")}, 256, 0, {}, false}});
  return made;
}

inline std::variant<parsed_request, refusal> parse(endpoint kind, std::string const& body) {
  return parse_request(kind, body, catalogue(), request_limits());
}
/// `fields` follow a valid model and prompt; each begins with a comma.
inline std::string chat(std::string const& fields) {
  return R"({"model":"tiny","messages":[{"role":"user","content":"Hi"}])" + fields + "}";
}
inline std::string completion(std::string const& fields) {
  return R"({"model":"tiny","prompt":"Hi")" + fields + "}";
}
inline parsed_request accepted(endpoint kind, std::string const& body) {
  auto parsed = parse(kind, body);
  if (auto* why = std::get_if<refusal>(&parsed)) FAIL("refused: " << std::string(why->message.reveal()));
  return std::move(std::get<parsed_request>(parsed));
}
inline parsed_request accepted_chat(std::string const& fields) {
  return accepted(endpoint::chat, chat(fields));
}
inline parsed_request accepted_completion(std::string const& fields) {
  return accepted(endpoint::completion, completion(fields));
}

struct plain_refusal {
  std::uint16_t status = 0;
  std::string reason;
  std::string param;
  friend bool operator==(plain_refusal const&, plain_refusal const&) = default;
  friend std::ostream& operator<<(std::ostream& out, plain_refusal const& why) {
    return out << why.status << ' ' << why.reason << ' ' << why.param;
  }
};
inline plain_refusal refused(endpoint kind, std::string const& body) {
  auto const parsed = parse(kind, body);
  auto const* why = std::get_if<refusal>(&parsed);
  if (why == nullptr) return {};
  return {status_of(why->code), std::string(why->reason.view()), std::string(why->param.reveal())};
}
inline plain_refusal refused_chat(std::string const& fields) { return refused(endpoint::chat, chat(fields)); }
inline plain_refusal refused_completion(std::string const& fields) {
  return refused(endpoint::completion, completion(fields));
}

} // namespace mayfly::actors::api
