// Any body, at both endpoints: refused or accepted, never worse; and what is accepted can be served.
#include "actors/api/request.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace mayfly;
using namespace mayfly::actors::api;

model_catalogue const& catalogue() {
  static auto const made =
      *model_catalogue::make({{*name::parse("m"), {*name::parse("alias")}, 256, 0, {}, false}});
  return made;
}

void check(endpoint kind, std::string_view body) {
  auto parsed = parse_request(kind, body, catalogue(), request_limits());
  if (auto const* why = std::get_if<refusal>(&parsed)) {
    ephemeral_text out;
    write_refusal(out, *why);
    auto const status = status_of(why->code);
    if (status != 400 && status != 404) std::abort();
    return;
  }
  auto const& request = std::get<parsed_request>(parsed);
  if (request.choices.empty() || request.choices.size() != request.shape.choices) std::abort();
  for (auto const& choice : request.choices) {
    auto const& sampling = choice.parameters;
    bool const in_range = sampling.temperature >= 0 && sampling.temperature <= 2 && sampling.top_p > 0 &&
                          sampling.top_p <= 1 && sampling.top_k >= 0 && sampling.repetition_penalty > 0 &&
                          sampling.top_logprobs <= 20 && choice.stop.size() <= 4;
    if (!in_range || choice.model.view() != "m") std::abort();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const body(reinterpret_cast<char const*>(data), size);
  check(endpoint::chat, body);
  check(endpoint::completion, body);
  return 0;
}
