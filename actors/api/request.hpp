#pragma once
// A client's JSON body to a validated request: every field is understood, or the request is refused by the
// field's name. Nothing is ignored but the documented fields that ask nothing (README.md).
#include "actors/api/model_catalogue.hpp"
#include "actors/api/refusal.hpp"
#include "protocol/messages/inference.hpp"

#include <string_view>
#include <variant>
#include <vector>

namespace mayfly::actors::api {

enum class endpoint : std::uint8_t { chat = 0, completion = 1 };

/// How the answer is to look. Metadata.
struct response_shape {
  endpoint kind = endpoint::chat;
  bool stream = false;
  bool include_usage = false; ///< streams only: a last chunk with the usage
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  name model;                           ///< the catalogue's own name, in the form that the client used
  std::uint32_t choices = 1;            ///< all of them: n for each prompt
  std::uint32_t choices_per_prompt = 1; ///< n
};

/// Bounds on what is accepted; beyond them the request is refused by the field's name.
struct request_limits {
  std::uint32_t choices = 16; ///< n, and n times prompts
  std::size_t messages = 2048;
  std::size_t content_parts = 2048;
  std::size_t stop_strings = 4;
  std::size_t stop_bytes = 1024; ///< of one stop string
  std::size_t bias_entries = 1024;
  std::size_t author_bytes = 64; ///< `name` of a message
  std::size_t depth = 32;        ///< of nested JSON
};

/// A request that can be done. `choices` lack what the session knows: request, account, time_left, credit.
struct parsed_request {
  response_shape shape;
  std::vector<messages::infer> choices;
  std::uint32_t estimated_prompt_tokens = 0; ///< bytes / 3 for text; exact for tokens
};

/// Reads a body of POST /v1/chat/completions or /v1/completions. `body` may be wiped afterwards.
std::variant<parsed_request, refusal> parse_request(endpoint kind, std::string_view body,
                                                    model_catalogue const& catalogue,
                                                    request_limits const& limits);

} // namespace mayfly::actors::api
