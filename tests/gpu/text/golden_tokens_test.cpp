// Exactly the tokens that Hugging Face's tokenizers makes (tests/golden/README.md).
#include "gpu/text/detokenizer.hpp"
#include "gpu/text/model_text.hpp"
#include "json_values.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu {
namespace {

std::size_t const arena_bytes = std::size_t{256} << 20;

std::vector<token_id> ids_of(jinja::value line) {
  std::vector<token_id> ids;
  for (auto const& id : line.entries->find("ids")->items->values)
    ids.push_back(static_cast<token_id>(id.integer));
  return ids;
}

ephemeral_tokens encode(tokenizer const& tokens, std::string_view text, bool as_template) {
  if (!as_template) return tokens.encode(text);
  template_output prompt;
  prompt.text.append(text);
  if (!text.empty()) prompt.own.push_back({0, text.size()});
  return tokens.encode(prompt);
}

std::string decode(tokenizer const& tokens, std::span<token_id const> ids) {
  ephemeral_text out;
  for (auto const id : ids) tokens.decode(id, out, true);
  return std::string(out.reveal());
}

void check_golden_tokens(std::string const& name) {
  auto const model = load_model_text(std::string(MAYFLY_TEST_MODELS) + "/" + name + ".gguf");
  REQUIRE(model);
  jinja::arena memory(arena_bytes);
  auto const lines =
      jinja::read_json_lines(MAYFLY_SOURCE_DIR "/tests/golden/tokens/" + name + ".jsonl", memory);
  REQUIRE(lines.size() > 400);
  for (std::size_t line = 0; line < lines.size(); ++line) {
    INFO(name << " line " << line + 1);
    auto const text = jinja::text_member(lines[line], "text");
    auto const expected = ids_of(lines[line]);
    auto const got = encode(*model->tokens, text, lines[line].entries->find("special") != nullptr);
    CHECK(std::vector<token_id>(got.reveal().begin(), got.reveal().end()) == expected);
    auto const decoded =
        lines[line].entries->find("decoded") != nullptr ? jinja::text_member(lines[line], "decoded") : text;
    CHECK(decode(*model->tokens, expected) == decoded);
  }
}

TEST_CASE("The demo model's tokens are Hugging Face's") { check_golden_tokens("tiny-default-5.8M-q8_0"); }
TEST_CASE("Tokens cut as GPT-2 does are Hugging Face's") { check_golden_tokens("vocabulary-gpt-2"); }
TEST_CASE("Tokens cut as Llama 3 does are Hugging Face's") { check_golden_tokens("vocabulary-llama-bpe"); }
TEST_CASE("Tokens cut as Qwen2 does are Hugging Face's") { check_golden_tokens("vocabulary-qwen2"); }
TEST_CASE("Tokens cut as SmolLM does are Hugging Face's") { check_golden_tokens("vocabulary-smollm"); }

} // namespace
} // namespace mayfly::gpu
