// Fields of POST /v1/completions alone.
#include "actors/api/draft.hpp"

namespace mayfly::actors::api {
namespace {

using boost::json::array;
using boost::json::value;

verdict add_text(draft& into, field_path const& where, value const& given) {
  // Not every model has a token that begins a text, and from nothing no engine can go on.
  if (given.get_string().empty()) return wrong_value(where.view(), "must not be empty.");
  prompt_draft made;
  made.text.append(view_of(given.get_string()));
  into.prompts.push_back(std::move(made));
  return std::nullopt;
}

verdict add_tokens(draft& into, field_path const& where, array const& given) {
  if (given.empty()) return wrong_value(where.view(), "must not be empty.");
  prompt_draft made;
  made.is_tokens = true;
  made.tokens.reserve(given.size());
  for (auto const& item : given) {
    token_id token = 0;
    if (auto refused =
            put(read_integer(where.view(), item, 0, INT32_MAX, "must hold token ids, whole numbers from 0."),
                token))
      return refused;
    made.tokens.push_back(token);
  }
  into.prompts.push_back(std::move(made));
  return std::nullopt;
}

verdict add_prompt(draft& into, field_path const& where, value const& given) {
  if (given.is_string()) return add_text(into, where, given);
  if (given.is_array()) return add_tokens(into, where, given.get_array());
  return wrong_type(where.view(), "must be a string or an array of token ids.");
}

verdict read_prompt(draft& into, value const& given) {
  field_path const where("prompt");
  if (given.is_string()) return add_text(into, where, given);
  if (!given.is_array())
    return wrong_type("prompt", "must be a string, an array of strings, or an array of token ids.");
  auto const& items = given.get_array();
  if (items.empty()) return wrong_value("prompt", "must not be empty.");
  if (items[0].is_number()) return add_tokens(into, where, items);
  if (items.size() > into.limits->choices)
    return wrong_value("prompt", "asks for more choices than this server gives.");
  for (std::size_t index = 0; index < items.size(); ++index)
    if (auto refused = add_prompt(into, where.at(index), items[index])) return refused;
  return std::nullopt;
}

verdict read_logprobs(draft& into, value const& given) {
  auto refused = put(read_integer("logprobs", given, 0, 5, "must be a whole number from 0 to 5."),
                     into.shape.top_logprobs);
  into.shape.logprobs = into.parameters.logprobs = true;
  into.parameters.top_logprobs = into.shape.top_logprobs;
  return refused;
}

verdict read_echo(draft& into, value const& given) { return put(read_boolean("echo", given), into.echo); }

verdict read_best_of(draft&, value const& given) {
  std::int64_t best_of = 0;
  auto refused =
      put(read_integer("best_of", given, 1, 0x7FFFFFFF, "must be a whole number, at least 1."), best_of);
  if (!refused && best_of != 1)
    return unsupported("best_of", "can only be 1 here; ask for n choices instead.");
  return refused;
}

verdict read_suffix(draft&, value const& given) {
  if (given.is_string() && given.get_string().empty()) return std::nullopt;
  return refuse_field("unsupported_parameter", "suffix",
                      "cannot be done: this server completes at the end only.");
}

constexpr field_rule rules[] = {
    {"prompt", read_prompt},   {"logprobs", read_logprobs}, {"echo", read_echo},
    {"best_of", read_best_of}, {"suffix", read_suffix},
};

} // namespace

std::span<field_rule const> completion_fields() noexcept { return rules; }

} // namespace mayfly::actors::api
