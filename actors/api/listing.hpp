#pragma once
// What is not an answer to a prompt: the model list and receipts.
#include "actors/api/model_catalogue.hpp"
#include "protocol/messages/retention.hpp"

#include <functional>

namespace mayfly::actors::api {

/// The context that workers have for a model now, prompt and answer together; 0: none is known.
using context_lookup = std::function<std::uint32_t(name const& model)>;

/// OpenAI's list of models; aliases stand in it as models of their own, with "root" naming what they are.
/// "context_tokens" is the workers', else the configuration's, else it is left out.
void write_models(ephemeral_text& out, model_catalogue const& catalogue, context_lookup const& context);
void write_model(ephemeral_text& out, found_model const& found, context_lookup const& context);

/// A receipt with all that its offline verification needs: field names and values as in
/// protocol/messages/retention.hpp, bytes and ids in hexadecimal, enumerators by name.
/// {"object":"receipt","state":"final","receipt":{"body":{...},"signature":"..."},"head_counter":1,"head":"..."}
void write_receipt(ephemeral_text& out, messages::receipt_answer const& answer);

/// Reads what `write_receipt` wrote (state final), or its "receipt" member alone: metadata, so nothing is
/// wiped but what held the text. Errors: malformed.
result<messages::signed_receipt> parse_receipt(std::string_view text);

} // namespace mayfly::actors::api
