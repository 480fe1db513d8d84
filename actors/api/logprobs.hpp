#pragma once
// Both of OpenAI's shapes for log probabilities.
#include "actors/api/json_writer.hpp"
#include "protocol/messages/inference.hpp"

#include <memory>
#include <span>
#include <vector>

namespace mayfly::actors::api {

using chunk_list = std::span<std::shared_ptr<messages::output_chunk const> const>;

/// Chat: {"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}.
void write_chat_logprobs(json_writer& out, chunk_list chunks);

/// Completions: {"tokens","token_logprobs","top_logprobs","text_offset"}. `offset` is the first token's place
/// in the choice's text, in code points; it moves on past these chunks' tokens. Without alternatives
/// (`top` is 0) top_logprobs is null.
void write_completion_logprobs(json_writer& out, chunk_list chunks, std::uint32_t top, std::uint64_t& offset);

/// A token's bytes as text; bytes that are not UTF-8 by themselves become "bytes:\xe2\x80", OpenAI's form.
void write_token(json_writer& out, std::string_view bytes);

/// Code points in UTF-8 text: continuation bytes do not count.
std::uint64_t characters_in(std::string_view text) noexcept;

} // namespace mayfly::actors::api
