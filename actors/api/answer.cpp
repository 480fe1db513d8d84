#include "actors/api/answer.hpp"

#include "actors/api/json_writer.hpp"
#include "actors/api/logprobs.hpp"

namespace mayfly::actors::api {
namespace {

constexpr std::string_view chat_prefix = "chatcmpl-";
constexpr std::string_view completion_prefix = "cmpl-";

bool is_chat(response_shape const& shape) noexcept { return shape.kind == endpoint::chat; }

/// OpenAI's word for how a choice ended. A cancelled or failed choice never gets here.
std::string_view finish_text(messages::finish_reason reason) noexcept {
  return reason == messages::finish_reason::length ? "length" : "stop";
}

/// `{"id":...,"object":...,"created":...,"model":...,` : what every object begins with.
void write_preamble(json_writer& json, answer_head const& head, response_shape const& shape,
                    std::string_view object) {
  json.raw(R"({"id":")").raw(completion_id(shape.kind, head.request)).raw(R"(","object":")").raw(object);
  json.raw(R"(","created":)").number(head.created_unix_s).raw(R"(,"model":)").string(shape.model.view());
  json.raw(R"(,"system_fingerprint":null,)");
}

void write_usage(json_writer& json, token_usage usage) {
  json.raw(R"("usage":{"prompt_tokens":)").number(usage.prompt_tokens);
  json.raw(R"(,"completion_tokens":)").number(usage.completion_tokens);
  json.raw(R"(,"total_tokens":)").number(usage.prompt_tokens + usage.completion_tokens).raw("}");
}

/// `"logprobs":...,`
void write_logprobs(json_writer& json, response_shape const& shape, chunk_list chunks,
                    std::uint64_t& offset) {
  json.raw(R"("logprobs":)");
  if (!shape.logprobs)
    json.raw("null");
  else if (is_chat(shape))
    write_chat_logprobs(json, chunks);
  else
    write_completion_logprobs(json, chunks, shape.top_logprobs, offset);
  json.raw(",");
}

/// The chunks' texts as one string. The worker cuts chunks at whole characters.
void write_joined(json_writer& json, chunk_list chunks) {
  ephemeral_text whole;
  std::size_t size = 0;
  for (auto const& chunk : chunks) size += chunk->text.size();
  whole.reserve(size);
  for (auto const& chunk : chunks) whole.append(chunk->text.reveal());
  json.string(whole.reveal());
}

void write_choice(json_writer& json, response_shape const& shape, std::uint32_t index,
                  choice_answer const& choice) {
  std::uint64_t offset = 0;
  json.raw(R"({"index":)").number(index).raw(",");
  if (is_chat(shape)) {
    json.raw(R"("message":{"role":"assistant","content":)");
    write_joined(json, choice.chunks);
    json.raw(R"(,"refusal":null},)");
  } else {
    json.raw(R"("text":)");
    write_joined(json, choice.chunks);
    json.raw(",");
  }
  write_logprobs(json, shape, choice.chunks, offset);
  json.raw(R"("finish_reason":")").raw(finish_text(choice.finish)).raw(R"("})");
}

/// Everything of a stream's chunk around its one choice. `write_choice_body` ends with a comma.
template <class Body>
void write_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                 std::uint32_t choice, std::string_view finish, Body write_choice_body) {
  json_writer json(out);
  write_preamble(json, head, shape, is_chat(shape) ? "chat.completion.chunk" : "text_completion");
  json.raw(R"("choices":[{"index":)").number(choice).raw(",");
  write_choice_body(json);
  json.raw(R"("finish_reason":)");
  if (finish.empty())
    json.raw("null");
  else
    json.string(finish);
  json.raw("}]");
  if (shape.include_usage) json.raw(R"(,"usage":null)");
  json.raw("}");
}

} // namespace

std::string completion_id(endpoint kind, request_id request) {
  return std::string(kind == endpoint::chat ? chat_prefix : completion_prefix) + request.text();
}

result<request_id> parse_completion_id(std::string_view text) {
  for (auto const prefix : {chat_prefix, completion_prefix})
    if (text.starts_with(prefix)) return request_id::parse(text.substr(prefix.size()));
  return request_id::parse(text);
}

token_usage usage_of(std::span<choice_answer const> choices, std::uint32_t choices_per_prompt) {
  token_usage sum;
  for (std::size_t index = 0; index < choices.size(); ++index) {
    if (index % choices_per_prompt == 0) sum.prompt_tokens += choices[index].prompt_tokens;
    sum.completion_tokens += choices[index].completion_tokens;
  }
  return sum;
}

void write_answer(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                  std::span<choice_answer const> choices) {
  json_writer json(out);
  write_preamble(json, head, shape, is_chat(shape) ? "chat.completion" : "text_completion");
  json.raw(R"("choices":[)");
  for (std::size_t index = 0; index < choices.size(); ++index) {
    if (index != 0) json.raw(",");
    write_choice(json, shape, static_cast<std::uint32_t>(index), choices[index]);
  }
  json.raw("],");
  write_usage(json, usage_of(choices, shape.choices_per_prompt));
  json.raw("}");
}

void write_role_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                      std::uint32_t choice) {
  write_chunk(out, head, shape, choice, "", [](json_writer& json) {
    json.raw(R"("delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,)");
  });
}

void write_text_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                      messages::output_chunk const& chunk, choice_answer& so_far) {
  // The span below needs an owner to point to; this one does not own.
  std::shared_ptr<messages::output_chunk const> const one(std::shared_ptr<void>(), &chunk);
  write_chunk(out, head, shape, chunk.choice, "", [&](json_writer& json) {
    if (is_chat(shape))
      json.raw(R"("delta":{"content":)").string(chunk.text.reveal()).raw("},");
    else
      json.raw(R"("text":)").string(chunk.text.reveal()).raw(",");
    auto offset = so_far.text_characters;
    write_logprobs(json, shape, {&one, 1}, offset);
  });
  so_far.text_characters += characters_in(chunk.text.reveal());
}

void write_finish_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                        std::uint32_t choice, messages::finish_reason reason) {
  write_chunk(out, head, shape, choice, finish_text(reason), [&](json_writer& json) {
    json.raw(is_chat(shape) ? R"("delta":{},"logprobs":null,)" : R"("text":"","logprobs":null,)");
  });
}

void write_usage_chunk(ephemeral_text& out, answer_head const& head, response_shape const& shape,
                       token_usage usage) {
  json_writer json(out);
  write_preamble(json, head, shape, is_chat(shape) ? "chat.completion.chunk" : "text_completion");
  json.raw(R"("choices":[],)");
  write_usage(json, usage);
  json.raw("}");
}

} // namespace mayfly::actors::api
