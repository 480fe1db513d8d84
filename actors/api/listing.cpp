#include "actors/api/listing.hpp"

#include "actors/api/json_writer.hpp"
#include "protocol/messages/enumerators.hpp"
#include "protocol/messages/visit.hpp"

namespace mayfly::actors::api {
namespace {

void write_one(json_writer& json, served_model const& model, name const& as) {
  json.raw(R"({"id":)").string(as.view()).raw(R"(,"object":"model","created":)").number(model.created_unix_s);
  json.raw(R"(,"owned_by":)").string(model.owned_by.view());
  json.raw(R"(,"root":)").string(model.id.view());
  json.raw(R"(,"context_tokens":)").number(model.context_tokens);
  json.raw(R"(,"demonstration":)").boolean(model.demonstration).raw("}");
}

template <messages::message M>
void write_fields(json_writer& json, M const& message);

template <class T>
void write_value(json_writer& json, T const& value) {
  if constexpr (messages::message<T>)
    write_fields(json, value);
  else if constexpr (std::is_same_v<T, bool>)
    json.boolean(value);
  else if constexpr (std::is_enum_v<T>)
    json.string(messages::enumerator_name(value));
  else if constexpr (std::is_unsigned_v<T>)
    json.number(std::uint64_t{value});
  else if constexpr (std::is_signed_v<T>)
    json.number(std::int64_t{value});
  else if constexpr (std::is_same_v<T, name>)
    json.string(value.view());
  else if constexpr (std::is_same_v<T, messages::bytes32> || std::is_same_v<T, messages::bytes64>)
    json.hexadecimal(value);
  else
    json.string(value.text()); // ids
}

template <class T>
void write_value(json_writer& json, std::vector<T> const& values) {
  json.raw("[");
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (index != 0) json.raw(",");
    write_value(json, values[index]);
  }
  json.raw("]");
}

template <messages::message M>
void write_fields(json_writer& json, M const& message) {
  static_assert(messages::holds_metadata_only<M>());
  json.raw("{");
  bool first = true;
  messages::for_each_field(message, [&](auto const& field, auto const& value) {
    if (!first) json.raw(",");
    first = false;
    json.string(field.name.view()).raw(":");
    write_value(json, value);
  });
  json.raw("}");
}

} // namespace

void write_models(ephemeral_text& out, model_catalogue const& catalogue) {
  json_writer json(out);
  json.raw(R"({"object":"list","data":[)");
  bool first = true;
  auto const entry = [&](served_model const& model, name const& as) {
    if (!first) json.raw(",");
    first = false;
    write_one(json, model, as);
  };
  for (auto const& model : catalogue.models()) {
    entry(model, model.id);
    for (auto const& alias : model.aliases) entry(model, alias);
  }
  json.raw("]}");
}

void write_model(ephemeral_text& out, found_model const& found) {
  json_writer json(out);
  write_one(json, *found.model, *found.asked);
}

void write_receipt(ephemeral_text& out, messages::receipt_answer const& answer) {
  json_writer json(out);
  json.raw(R"({"object":"receipt","request":)").string(answer.request.text());
  json.raw(R"(,"state":)").string(messages::enumerator_name(answer.state)).raw(R"(,"receipt":)");
  if (answer.receipt)
    write_fields(json, *answer.receipt);
  else
    json.raw("null");
  json.raw(R"(,"head_counter":)").number(answer.head_counter);
  json.raw(R"(,"head":)").hexadecimal(answer.head).raw("}");
}

} // namespace mayfly::actors::api
