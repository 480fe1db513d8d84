#include "actors/api/listing.hpp"

#include "actors/api/message_json.hpp"

namespace mayfly::actors::api {
namespace {

void write_one(json_writer& json, served_model const& model, name const& as, context_lookup const& context) {
  auto const reported = context ? context(model.id) : 0;
  auto const tokens = reported != 0 ? reported : model.context_tokens;
  json.raw(R"({"id":)").string(as.view()).raw(R"(,"object":"model","created":)").number(model.created_unix_s);
  json.raw(R"(,"owned_by":)").string(model.owned_by.view());
  json.raw(R"(,"root":)").string(model.id.view());
  if (tokens != 0) json.raw(R"(,"context_tokens":)").number(tokens);
  json.raw(R"(,"demonstration":)").boolean(model.demonstration).raw("}");
}

} // namespace

void write_models(ephemeral_text& out, model_catalogue const& catalogue, context_lookup const& context) {
  json_writer json(out);
  json.raw(R"({"object":"list","data":[)");
  bool first = true;
  auto const entry = [&](served_model const& model, name const& as) {
    if (!first) json.raw(",");
    first = false;
    write_one(json, model, as, context);
  };
  for (auto const& model : catalogue.models()) {
    entry(model, model.id);
    for (auto const& alias : model.aliases) entry(model, alias);
  }
  json.raw("]}");
}

void write_model(ephemeral_text& out, found_model const& found, context_lookup const& context) {
  json_writer json(out);
  write_one(json, *found.model, *found.asked, context);
}

void write_receipt(ephemeral_text& out, messages::receipt_answer const& answer) {
  json_writer json(out);
  json.raw(R"({"object":"receipt","request":)").string(answer.request.text());
  json.raw(R"(,"state":)").string(messages::enumerator_name(answer.state)).raw(R"(,"receipt":)");
  if (answer.receipt)
    write_message(json, *answer.receipt);
  else
    json.raw("null");
  json.raw(R"(,"head_counter":)").number(answer.head_counter);
  json.raw(R"(,"head":)").hexadecimal(answer.head).raw("}");
}

} // namespace mayfly::actors::api
