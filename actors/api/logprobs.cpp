#include "actors/api/logprobs.hpp"

#include <algorithm>
#include <cmath>

namespace mayfly::actors::api {
namespace {

using messages::token_logprob;
using messages::weighed_token;

/// Writes the separator before every element but the first.
class comma {
public:
  void before_next(json_writer& out) {
    if (!first_) out.raw(",");
    first_ = false;
  }

private:
  bool first_ = true;
};

template <class Visit>
void for_each_token(chunk_list chunks, Visit visit) {
  for (auto const& chunk : chunks)
    for (auto const& token : chunk->logprobs) visit(token);
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void write_weighed(json_writer& out, weighed_token const& token) {
  out.raw(R"("token":)");
  write_token(out, token.text.reveal());
  out.raw(R"(,"logprob":)").number(token.logprob).raw(R"(,"bytes":[)");
  comma separator;
  for (char const byte : token.text.reveal()) {
    separator.before_next(out);
    out.number(std::uint32_t{static_cast<unsigned char>(byte)});
  }
  out.raw("]");
}

void write_chat_token(json_writer& out, token_logprob const& token) {
  out.raw("{");
  write_weighed(out, token.chosen);
  out.raw(R"(,"top_logprobs":[)");
  comma separator;
  for (auto const& other : token.top) {
    separator.before_next(out);
    out.raw("{");
    write_weighed(out, other);
    out.raw("}");
  }
  out.raw("]}");
}

void write_top(json_writer& out, token_logprob const& token) {
  auto const same = [&](weighed_token const& other) {
    return other.text.reveal() == token.chosen.text.reveal();
  };
  out.raw("{");
  comma separator;
  auto const entry = [&](weighed_token const& other) {
    separator.before_next(out);
    write_token(out, other.text.reveal());
    out.raw(":").number(other.logprob);
  };
  for (auto const& other : token.top) entry(other);
  // OpenAI: the chosen token is there too, so that there may be one more than asked for.
  if (std::none_of(token.top.begin(), token.top.end(), same)) entry(token.chosen);
  out.raw("}");
}

} // namespace

std::uint64_t characters_in(std::string_view text) noexcept {
  return static_cast<std::uint64_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

void write_token(json_writer& out, std::string_view bytes) {
  if (is_utf8(bytes)) {
    out.string(bytes);
    return;
  }
  constexpr char digits[] = "0123456789abcdef";
  out.raw("\"bytes:");
  for (char const byte : bytes) {
    auto const value = static_cast<unsigned char>(byte);
    char const text[] = {'\\', '\\', 'x', digits[value >> 4], digits[value & 15]};
    out.raw({text, sizeof text});
  }
  out.raw("\"");
}

void write_chat_logprobs(json_writer& out, chunk_list chunks) {
  out.raw(R"({"content":[)");
  comma separator;
  for_each_token(chunks, [&](token_logprob const& token) {
    separator.before_next(out);
    write_chat_token(out, token);
  });
  out.raw(R"(],"refusal":null})");
}

void write_completion_logprobs(json_writer& out, chunk_list chunks, std::uint32_t top,
                               std::uint64_t& offset) {
  auto const list = [&](auto write_one) {
    comma separator;
    for_each_token(chunks, [&](token_logprob const& token) {
      separator.before_next(out);
      write_one(token);
    });
  };
  out.raw(R"({"tokens":[)");
  list([&](token_logprob const& token) { write_token(out, token.chosen.text.reveal()); });
  out.raw(R"(],"token_logprobs":[)");
  list([&](token_logprob const& token) { out.number(token.chosen.logprob); });
  out.raw(R"(],"top_logprobs":)");
  if (top == 0) {
    out.raw("null");
  } else {
    out.raw("[");
    list([&](token_logprob const& token) { write_top(out, token); });
    out.raw("]");
  }
  out.raw(R"(,"text_offset":[)");
  list([&](token_logprob const& token) {
    out.number(offset);
    offset += characters_in(token.chosen.text.reveal());
  });
  out.raw("]}");
}

} // namespace mayfly::actors::api
