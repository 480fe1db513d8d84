#include "actors/api/request.hpp"

#include "actors/api/draft.hpp"
#include "actors/api/json_document.hpp"
#include "actors/api/json_writer.hpp"

namespace mayfly::actors::api {
namespace {

constexpr std::size_t longest_echoed_name = 64;
constexpr std::uint32_t completion_tokens_by_default = 16; // OpenAI's, for /v1/completions

field_rule const* rule_of(endpoint kind, std::string_view field) noexcept {
  auto const own = kind == endpoint::chat ? chat_fields() : completion_fields();
  for (auto const rules : {own, shared_fields()})
    for (auto const& rule : rules)
      if (rule.name == field) return &rule;
  return nullptr;
}

refusal unknown_field(std::string_view field) {
  std::size_t kept = 0;
  while (kept < field.size()) {
    auto const length = utf8_sequence(field.substr(kept));
    if (length == 0 || kept + length > longest_echoed_name) break;
    kept += length;
  }
  return refuse_field("unknown_parameter", field.substr(0, kept), "is not a parameter of this endpoint.");
}

refusal refuse_document(error const& failure) {
  if (failure.code == errc::too_large)
    return refuse(errc::invalid_request, "invalid_json", "The body's JSON is nested too deep or too large.");
  return refuse(errc::invalid_request, "invalid_json", "The body is not valid JSON in UTF-8.");
}

verdict read_fields(draft& into, boost::json::value const& root) {
  if (!root.is_object())
    return refuse(errc::invalid_request, "invalid_json", "The body must be a JSON object.");
  for (auto const& [key, given] : root.get_object()) {
    std::string_view const field(key.data(), key.size());
    auto const* rule = rule_of(into.shape.kind, field);
    if (rule == nullptr) {
      // What nobody knows is refused even as null, but for the absent features of OpenAI's own list.
      bool const absent_feature = field == "prediction" || field == "audio" || field == "reasoning_effort" ||
                                  field == "verbosity" || field == "web_search_options";
      if (absent_feature && given.is_null() && into.shape.kind == endpoint::chat) continue;
      if (absent_feature && into.shape.kind == endpoint::chat)
        return refuse_field("unsupported_parameter", field, "cannot be done here.");
      return unknown_field(field);
    }
    if (given.is_null()) continue;
    if (auto refused = rule->read(into, given)) return refused;
  }
  return std::nullopt;
}

verdict check_together(draft const& into) {
  auto const& shape = into.shape;
  if (into.model.empty()) return refuse_field("missing_required_parameter", "model", "is required.");
  if (shape.kind == endpoint::chat && into.messages.empty())
    return refuse_field("missing_required_parameter", "messages", "is required.");
  if (shape.kind == endpoint::completion && into.prompts.empty())
    return refuse_field("missing_required_parameter", "prompt", "is required.");
  if (into.prompts.size() * shape.choices_per_prompt > into.limits->choices)
    return beyond("n", "times the number of prompts is at most", into.limits->choices);
  if (into.saw_stream_options && !shape.stream)
    return wrong_value("stream_options", "is only for streams: set 'stream' to true.");
  if (shape.kind == endpoint::chat && into.saw_top_logprobs && !shape.logprobs && shape.top_logprobs > 0)
    return wrong_value("top_logprobs", "needs 'logprobs' to be true.");
  if (into.echo && shape.logprobs) return unsupported("logprobs", "cannot be given for an echoed prompt.");
  return std::nullopt;
}

std::uint32_t estimated_tokens(draft const& from) {
  // Three bytes a token errs high for English and low for scripts with long UTF-8: placement needs no more.
  std::size_t tokens = 0;
  for (auto const& message : from.messages) tokens += message.content.size() / 3 + 8;
  for (auto const& prompt : from.prompts)
    tokens += prompt.is_tokens ? prompt.tokens.size() : prompt.text.size() / 3 + 1;
  return static_cast<std::uint32_t>(std::min<std::size_t>(tokens, UINT32_MAX));
}

messages::infer make_choice(draft const& from, std::uint32_t choice) {
  messages::infer made;
  made.choice = choice;
  made.model = from.model;
  made.echo = from.echo;
  made.parameters = from.parameters;
  if (made.parameters.seed) made.parameters.seed = *made.parameters.seed + choice;
  if (!made.parameters.logprobs) made.parameters.top_logprobs = 0;
  for (auto const& text : from.stop) made.stop.push_back(text.clone());
  made.bias = from.bias.clone();
  if (from.shape.kind == endpoint::chat) {
    for (auto const& message : from.messages)
      made.messages.push_back({message.role, message.content.clone(), message.author.clone()});
    return made;
  }
  auto const& prompt = from.prompts[choice / from.shape.choices_per_prompt];
  made.kind = prompt.is_tokens ? messages::prompt_kind::tokens : messages::prompt_kind::text;
  made.prompt = prompt.text.clone();
  made.prompt_tokens = prompt.tokens.clone();
  return made;
}

parsed_request complete(draft& from) {
  auto& shape = from.shape;
  if (shape.kind == endpoint::completion) {
    shape.choices = shape.choices_per_prompt * static_cast<std::uint32_t>(from.prompts.size());
    if (from.parameters.max_tokens == 0) from.parameters.max_tokens = completion_tokens_by_default;
  }
  parsed_request made;
  made.shape = shape;
  made.estimated_prompt_tokens = estimated_tokens(from);
  for (std::uint32_t choice = 0; choice < shape.choices; ++choice)
    made.choices.push_back(make_choice(from, choice));
  return made;
}

} // namespace

std::variant<parsed_request, refusal> parse_request(endpoint kind, std::string_view body,
                                                    model_catalogue const& catalogue,
                                                    request_limits const& limits) {
  auto document = json_document::parse(body, limits.depth);
  if (!document) return refuse_document(document.failure());
  draft into;
  into.catalogue = &catalogue;
  into.limits = &limits;
  into.shape.kind = kind;
  if (auto refused = read_fields(into, (*document)->root())) return std::move(*refused);
  if (auto refused = check_together(into)) return std::move(*refused);
  return complete(into);
}

} // namespace mayfly::actors::api
