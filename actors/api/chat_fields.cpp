// Fields of POST /v1/chat/completions alone.
#include "actors/api/draft.hpp"

namespace mayfly::actors::api {
namespace {

using boost::json::object;
using boost::json::value;
using messages::chat_message;
using messages::chat_role;

bool empty_array(value const& given) { return given.is_array() && given.get_array().empty(); }

verdict read_role(chat_message& into, field_path const& where, value const* given) {
  auto const field = where.member("role");
  if (given == nullptr) return refuse_field("missing_required_parameter", field.view(), "is required.");
  if (!given->is_string()) return wrong_type(field.view(), "must be a string.");
  auto const role = view_of(given->get_string());
  if (role == "system")
    into.role = chat_role::system;
  else if (role == "user")
    into.role = chat_role::user;
  else if (role == "assistant")
    into.role = chat_role::assistant;
  else if (role == "developer")
    into.role = chat_role::developer;
  else if (role == "tool" || role == "function")
    return unsupported(field.view(), "asks for tools, which this server does not have.");
  else
    return wrong_value(field.view(), "must be system, developer, user or assistant.");
  return std::nullopt;
}

verdict read_part(chat_message& into, field_path const& where, value const& given) {
  if (!given.is_object()) return wrong_type(where.view(), "must be an object.");
  auto const& part = given.get_object();
  auto const* kind = part.if_contains("type");
  if (kind == nullptr || !kind->is_string())
    return wrong_type(where.member("type").view(), "must be a string.");
  if (view_of(kind->get_string()) != "text")
    return unsupported(where.member("type").view(), "can only be \"text\": this server reads text alone.");
  auto const* text = part.if_contains("text");
  if (text == nullptr || !text->is_string())
    return wrong_type(where.member("text").view(), "must be a string.");
  for (auto const& [key, inner] : part)
    if (key != "type" && key != "text")
      return refuse_field("unknown_parameter", where.view(), "holds a member that is not known here.");
  into.content.append(view_of(text->get_string()));
  return std::nullopt;
}

verdict read_content(draft const& limits_of, chat_message& into, field_path const& where,
                     value const* given) {
  auto const field = where.member("content");
  if (given == nullptr) return refuse_field("missing_required_parameter", field.view(), "is required.");
  if (given->is_string()) {
    into.content.append(view_of(given->get_string()));
    return std::nullopt;
  }
  if (!given->is_array()) return wrong_type(field.view(), "must be a string or an array of text parts.");
  auto const& parts = given->get_array();
  if (parts.empty()) return wrong_value(field.view(), "must not be an empty array.");
  if (parts.size() > limits_of.limits->content_parts)
    return wrong_value(field.view(), "holds too many parts.");
  for (std::size_t index = 0; index < parts.size(); ++index)
    if (auto refused = read_part(into, field.at(index), parts[index])) return refused;
  return std::nullopt;
}

verdict read_author(draft const& limits_of, chat_message& into, field_path const& where, value const& given) {
  if (!given.is_string()) return wrong_type(where.member("name").view(), "must be a string.");
  auto const text = view_of(given.get_string());
  if (text.empty() || text.size() > limits_of.limits->author_bytes)
    return wrong_value(where.member("name").view(), "must have 1 to 64 bytes.");
  into.author.append(text);
  return std::nullopt;
}

/// Members beside role and content: `name` is read, what an earlier answer of ours or OpenAI's carries empty
/// is accepted, the rest is refused.
verdict read_member(draft const& limits_of, chat_message& into, field_path const& where, std::string_view key,
                    value const& given) {
  if (key == "role" || key == "content") return std::nullopt;
  if (key == "name") return given.is_null() ? verdict() : read_author(limits_of, into, where, given);
  bool const of_answers = key == "tool_calls" || key == "function_call" || key == "refusal" ||
                          key == "audio" || key == "annotations";
  if (!of_answers)
    return refuse_field("unknown_parameter", where.view(), "holds a member that is not known here.");
  if (given.is_null() || empty_array(given)) return std::nullopt;
  return unsupported(where.member(key).view(), "can only be null: this server has text alone.");
}

verdict read_message(draft& into, field_path const& where, value const& given) {
  if (!given.is_object()) return wrong_type(where.view(), "must be an object.");
  auto const& members = given.get_object();
  chat_message message;
  if (auto refused = read_role(message, where, members.if_contains("role"))) return refused;
  for (auto const& [key, inner] : members)
    if (auto refused = read_member(into, message, where, {key.data(), key.size()}, inner)) return refused;
  if (auto refused = read_content(into, message, where, members.if_contains("content"))) return refused;
  into.messages.push_back(std::move(message));
  return std::nullopt;
}

verdict read_messages(draft& into, value const& given) {
  if (!given.is_array()) return wrong_type("messages", "must be an array of messages.");
  auto const& items = given.get_array();
  if (items.empty()) return wrong_value("messages", "must hold at least one message.");
  if (items.size() > into.limits->messages) return wrong_value("messages", "holds too many messages.");
  into.messages.reserve(items.size());
  for (std::size_t index = 0; index < items.size(); ++index)
    if (auto refused = read_message(into, field_path("messages").at(index), items[index])) return refused;
  return std::nullopt;
}

verdict read_max_completion_tokens(draft& into, value const& given) {
  into.saw_max_completion_tokens = true;
  return put(
      read_integer("max_completion_tokens", given, 1, 0x7FFFFFFF, "must be a whole number, at least 1."),
      into.parameters.max_tokens);
}

verdict read_logprobs(draft& into, value const& given) {
  auto refused = put(read_boolean("logprobs", given), into.shape.logprobs);
  into.parameters.logprobs = into.shape.logprobs;
  return refused;
}
verdict read_top_logprobs(draft& into, value const& given) {
  into.saw_top_logprobs = true;
  auto refused = put(read_integer("top_logprobs", given, 0, 20, "must be a whole number from 0 to 20."),
                     into.shape.top_logprobs);
  into.parameters.top_logprobs = into.shape.top_logprobs;
  return refused;
}

verdict read_response_format(draft&, value const& given) {
  if (!given.is_object()) return wrong_type("response_format", "must be an object.");
  auto const* kind = given.get_object().if_contains("type");
  if (kind == nullptr || !kind->is_string()) return wrong_type("response_format.type", "must be a string.");
  if (view_of(kind->get_string()) != "text")
    return unsupported("response_format.type", "can only be \"text\" here.");
  if (given.get_object().size() != 1)
    return refuse_field("unknown_parameter", "response_format", "holds a member that is not known here.");
  return std::nullopt;
}

verdict refuse_tools(std::string_view field, value const& given) {
  if (empty_array(given)) return std::nullopt;
  return refuse_field("unsupported_parameter", field, "asks for tools, which this server does not have.");
}
verdict read_tools(draft&, value const& given) { return refuse_tools("tools", given); }
verdict read_functions(draft&, value const& given) { return refuse_tools("functions", given); }

verdict no_tool_chosen(std::string_view field, value const& given) {
  auto const choice = text_or_empty(given);
  if (choice == "none" || choice == "auto") return std::nullopt;
  return refuse_field("unsupported_parameter", field, "asks for tools, which this server does not have.");
}
verdict read_tool_choice(draft&, value const& given) { return no_tool_chosen("tool_choice", given); }
verdict read_function_call(draft&, value const& given) { return no_tool_chosen("function_call", given); }
verdict read_parallel_tool_calls(draft&, value const& given) {
  bool ignored = false;
  return put(read_boolean("parallel_tool_calls", given), ignored);
}
verdict read_modalities(draft&, value const& given) {
  if (given.is_array() && given.get_array().size() == 1 && text_or_empty(given.get_array()[0]) == "text")
    return std::nullopt;
  return unsupported("modalities", "can only be [\"text\"] here.");
}

constexpr field_rule rules[] = {
    {"messages", read_messages},
    {"max_completion_tokens", read_max_completion_tokens},
    {"logprobs", read_logprobs},
    {"top_logprobs", read_top_logprobs},
    {"response_format", read_response_format},
    {"tools", read_tools},
    {"functions", read_functions},
    {"tool_choice", read_tool_choice},
    {"function_call", read_function_call},
    {"parallel_tool_calls", read_parallel_tool_calls},
    {"modalities", read_modalities},
};

} // namespace

std::span<field_rule const> chat_fields() noexcept { return rules; }

} // namespace mayfly::actors::api
