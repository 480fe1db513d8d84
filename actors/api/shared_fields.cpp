// Fields that both endpoints take, and those that ask nothing of a server like this.
#include "actors/api/draft.hpp"

#include <charconv>

namespace mayfly::actors::api {
namespace {

using boost::json::value;

constexpr std::int64_t most_tokens = 0x7FFFFFFF;

verdict read_model(draft& into, value const& given) {
  if (!given.is_string()) return wrong_type("model", "must be a string.");
  auto const found = into.catalogue->find(view_of(given.get_string()));
  if (!found) {
    auto why = refuse(errc::model_not_found);
    why.param.append("model");
    return why;
  }
  into.model = found->model->id;
  into.shape.model = *found->asked;
  return std::nullopt;
}

verdict read_temperature(draft& into, value const& given) {
  return put(read_number("temperature", given, 0, 2, "must be a number from 0 to 2."),
             into.parameters.temperature);
}
verdict read_top_p(draft& into, value const& given) {
  auto refused =
      put(read_number("top_p", given, 0, 1, "must be a number above 0, at most 1."), into.parameters.top_p);
  // Also what rounds to 0 as a float: the sampler's range is open at 0.
  if (!refused && !(into.parameters.top_p > 0))
    return wrong_value("top_p", "must be a number above 0, at most 1.");
  return refused;
}
verdict read_top_k(draft& into, value const& given) {
  auto refused = put(read_integer("top_k", given, -1, most_tokens, "must be a whole number, -1 or more."),
                     into.parameters.top_k);
  if (into.parameters.top_k < 0) into.parameters.top_k = 0; // vLLM's "off"
  return refused;
}
verdict read_min_p(draft& into, value const& given) {
  return put(read_number("min_p", given, 0, 1, "must be a number from 0 to 1."), into.parameters.min_p);
}
verdict read_repetition_penalty(draft& into, value const& given) {
  return put(read_number("repetition_penalty", given, 0.01, 100, "must be a number from 0.01 to 100."),
             into.parameters.repetition_penalty);
}
verdict read_frequency_penalty(draft& into, value const& given) {
  return put(read_number("frequency_penalty", given, -2, 2, "must be a number from -2 to 2."),
             into.parameters.frequency_penalty);
}
verdict read_presence_penalty(draft& into, value const& given) {
  return put(read_number("presence_penalty", given, -2, 2, "must be a number from -2 to 2."),
             into.parameters.presence_penalty);
}
verdict read_seed(draft& into, value const& given) {
  // Negative seeds are as good as others: the sampler takes 64 bits.
  std::int64_t seed = 0;
  auto refused =
      put(read_integer("seed", given, INT64_MIN, INT64_MAX, "must be a whole number of 64 bits."), seed);
  if (!refused) into.parameters.seed = static_cast<std::uint64_t>(seed);
  return refused;
}
verdict read_ignore_eos(draft& into, value const& given) {
  return put(read_boolean("ignore_eos", given), into.parameters.ignore_eos);
}

verdict read_max_tokens(draft& into, value const& given) {
  // Where both are given, max_completion_tokens counts (max_tokens is its deprecated name).
  std::uint32_t tokens = 0;
  auto refused =
      put(read_integer("max_tokens", given, 1, most_tokens, "must be a whole number, at least 1."), tokens);
  if (!refused && !into.saw_max_completion_tokens) into.parameters.max_tokens = tokens;
  return refused;
}

verdict read_n(draft& into, value const& given) {
  auto refused = put(read_integer("n", given, 1, most_tokens, "must be a whole number, at least 1."),
                     into.shape.choices);
  if (!refused && into.shape.choices > into.limits->choices)
    return beyond("n", "is at most", into.limits->choices);
  into.shape.choices_per_prompt = into.shape.choices;
  return refused;
}

verdict read_stream(draft& into, value const& given) {
  return put(read_boolean("stream", given), into.shape.stream);
}
verdict read_stream_options(draft& into, value const& given) {
  if (!given.is_object()) return wrong_type("stream_options", "must be an object.");
  into.saw_stream_options = true;
  for (auto const& [key, inner] : given.get_object()) {
    if (key == "include_usage") {
      if (inner.is_null()) continue;
      if (auto refused = put(read_boolean("stream_options.include_usage", inner), into.shape.include_usage))
        return refused;
    } else if (key == "include_obfuscation") {
      // Padding against traffic analysis, which this server does not send: only "do not" can be met.
      if (!inner.is_null() && (!inner.is_bool() || inner.get_bool()))
        return unsupported("stream_options.include_obfuscation", "can only be false here.");
    } else {
      return refuse_field("unknown_parameter", "stream_options", "holds a member that is not known here.");
    }
  }
  return std::nullopt;
}

verdict add_stop(draft& into, field_path const& where, value const& given) {
  if (!given.is_string()) return wrong_type(where.view(), "must be a string.");
  auto const text = view_of(given.get_string());
  if (text.empty()) return wrong_value(where.view(), "must not be empty.");
  if (text.size() > into.limits->stop_bytes)
    return beyond(where.view(), "is at most", into.limits->stop_bytes, " bytes long");
  into.stop.emplace_back(text);
  return std::nullopt;
}
verdict read_stop(draft& into, value const& given) {
  if (given.is_string()) return add_stop(into, field_path("stop"), given);
  if (!given.is_array()) return wrong_type("stop", "must be a string or an array of strings.");
  auto const& items = given.get_array();
  if (items.size() > into.limits->stop_strings)
    return beyond("stop", "holds at most", into.limits->stop_strings, " strings");
  for (std::size_t index = 0; index < items.size(); ++index)
    if (auto refused = add_stop(into, field_path("stop").at(index), items[index])) return refused;
  return std::nullopt;
}

verdict read_logit_bias(draft& into, value const& given) {
  if (!given.is_object()) return wrong_type("logit_bias", "must be an object from token ids to numbers.");
  auto const& entries = given.get_object();
  if (entries.size() > into.limits->bias_entries)
    return beyond("logit_bias", "holds at most", into.limits->bias_entries, " entries");
  for (auto const& [key, inner] : entries) {
    messages::bias_entry entry;
    auto const [end, problem] = std::from_chars(key.data(), key.data() + key.size(), entry.token);
    if (problem != std::errc{} || end != key.data() + key.size() || entry.token < 0)
      return wrong_value("logit_bias", "has a key that is not a token id.");
    if (auto refused = put(read_number("logit_bias", inner, -100, 100, "must hold numbers from -100 to 100."),
                           entry.bias))
      return refused;
    into.bias.push_back(entry);
  }
  return std::nullopt;
}

// --- fields that ask nothing of a server like this; each may say only what changes nothing

verdict any_string(std::string_view field, value const& given) {
  if (!given.is_string()) return wrong_type(field, "must be a string.");
  return std::nullopt;
}
verdict accept_user(draft&, value const& given) { return any_string("user", given); }
verdict accept_safety_identifier(draft&, value const& given) {
  return any_string("safety_identifier", given);
}
verdict accept_prompt_cache_key(draft&, value const& given) { return any_string("prompt_cache_key", given); }
verdict accept_metadata(draft&, value const& given) {
  if (!given.is_object()) return wrong_type("metadata", "must be an object of strings.");
  for (auto const& [key, inner] : given.get_object())
    if (!inner.is_string()) return wrong_type("metadata", "must be an object of strings.");
  return std::nullopt;
}
verdict accept_store(draft&, value const& given) {
  if (!given.is_bool()) return wrong_type("store", "must be true or false.");
  if (given.get_bool()) return unsupported("store", "can only be false: this server stores nothing.");
  return std::nullopt;
}
verdict accept_service_tier(draft&, value const& given) {
  if (!given.is_string()) return wrong_type("service_tier", "must be a string.");
  auto const tier = view_of(given.get_string());
  if (tier == "auto" || tier == "default") return std::nullopt;
  return unsupported("service_tier", "can only be \"auto\" or \"default\": there are no tiers here.");
}

constexpr field_rule rules[] = {
    {"model", read_model},
    {"temperature", read_temperature},
    {"top_p", read_top_p},
    {"top_k", read_top_k},
    {"min_p", read_min_p},
    {"repetition_penalty", read_repetition_penalty},
    {"frequency_penalty", read_frequency_penalty},
    {"presence_penalty", read_presence_penalty},
    {"seed", read_seed},
    {"ignore_eos", read_ignore_eos},
    {"max_tokens", read_max_tokens},
    {"n", read_n},
    {"stream", read_stream},
    {"stream_options", read_stream_options},
    {"stop", read_stop},
    {"logit_bias", read_logit_bias},
    {"user", accept_user},
    {"safety_identifier", accept_safety_identifier},
    {"prompt_cache_key", accept_prompt_cache_key},
    {"metadata", accept_metadata},
    {"store", accept_store},
    {"service_tier", accept_service_tier},
};

} // namespace

std::span<field_rule const> shared_fields() noexcept { return rules; }

} // namespace mayfly::actors::api
