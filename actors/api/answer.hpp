#pragma once
// A generation's events to OpenAI's bytes: whole answers, and the chunks of a stream.
#include "actors/actors.hpp"
#include "actors/api/request.hpp"

#include <memory>
#include <vector>

namespace mayfly::actors::api {

/// What every answer of one request carries.
struct answer_head {
  request_id request;
  std::int64_t created_unix_s = 0;
};

/// "chatcmpl-<request id>" or "cmpl-<request id>".
std::string completion_id(endpoint kind, request_id request);
/// Takes a completion's id or the bare request id. Errors: malformed.
result<request_id> parse_completion_id(std::string_view text);

struct token_usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
};

/// One choice as it is gathered.
struct choice_answer {
  std::vector<std::shared_ptr<messages::output_chunk const>> chunks; ///< in order; not streamed only
  messages::finish_reason finish = messages::finish_reason::none;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
  std::uint64_t text_characters = 0; ///< code points so far: text_offset of completions' logprobs
};

/// Sums over the choices; a prompt with several choices counts once, as OpenAI counts.
token_usage usage_of(std::span<choice_answer const> choices, std::uint32_t choices_per_prompt);

/// A chat.completion or text_completion object.
void write_answer(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                  std::span<choice_answer const> choices);

// --- streams: each call appends one JSON object (a chat.completion.chunk or text_completion)

/// Chat: the chunk that names the role, first of each choice. Completions have none.
void write_role_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                      std::uint32_t choice);
/// `so_far` counts on for text offsets.
void write_text_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                      messages::output_chunk const& chunk, choice_answer& so_far);
void write_finish_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                        std::uint32_t choice, messages::finish_reason reason);
void write_usage_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                       token_usage usage);

} // namespace mayfly::actors::api
