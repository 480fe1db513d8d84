#include "gpu/text/byte_pair_encoding.hpp"
#include "gpu/text/normalization.hpp"
#include "gpu/text/tokenizer.hpp"
#include "tiny_model.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace mayfly::gpu {
namespace {

std::vector<token_id> ids(ephemeral_tokens const& tokens) {
  return {tokens.reveal().begin(), tokens.reveal().end()};
}

template_output make_prompt(std::initializer_list<std::pair<std::string_view, bool>> parts) {
  template_output prompt;
  for (auto const& [text, own] : parts) {
    auto const begin = prompt.text.size();
    prompt.text.append(text);
    if (own) prompt.own.push_back({begin, prompt.text.size()});
  }
  return prompt;
}

/// A vocabulary of all bytes, and what a test adds.
struct byte_vocabulary {
  std::vector<std::string> spellings;
  std::vector<std::string> merges;
  vocabulary_source source;

  explicit byte_vocabulary(std::string_view pre) {
    for (unsigned byte = 0; byte < 256; ++byte)
      add(std::string(encode_utf8(mapped(byte)).view()), token_type::normal);
    source.pre = pre;
  }

  static char32_t mapped(unsigned byte) {
    auto const itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    if (itself) return byte;
    unsigned before = 0;
    for (unsigned other = 0; other < byte; ++other)
      before += !((other >= 0x21 && other <= 0x7E) || (other >= 0xA1 && other <= 0xAC) || other >= 0xAE);
    return 0x100 + before;
  }

  void add(std::string spelling, token_type type) {
    spellings.push_back(std::move(spelling));
    source.types.push_back(type);
  }

  std::shared_ptr<tokenizer const> make() {
    source.tokens.assign(spellings.begin(), spellings.end());
    source.merges.assign(merges.begin(), merges.end());
    return tokenizer::make(source).value();
  }
};

TEST_CASE("Any Unicode text comes back from its tokens, normalised") {
  std::mt19937 random(1);
  auto const& tokens = *tiny_model().tokens;
  for (int round = 0; round < 300; ++round) {
    auto const text = random_unicode(random, random() % 60);
    CHECK(decode_all(tokens, tokens.encode(text).reveal()) == std::string(to_nfc(text).reveal()));
    CHECK(tokens.least_tokens(text.size()) <= tokens.encode(text).size());
  }
}

TEST_CASE("Bytes that are no UTF-8 have tokens, always the same, and come back from them") {
  std::mt19937 random(2);
  auto const& tokens = *tiny_model().tokens;
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (auto left = random() % 50; left > 0; --left)
      text += static_cast<char>(random() % 3 == 0 ? random() % 0x80 : 0x80 + random() % 0x80);
    auto const first = ids(tokens.encode(text));
    CHECK(first == ids(tokens.encode(text)));
  }
  for (std::string_view text :
       {"\xFF", "a\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xED\xA0\x80", "ok \x80\x80 ok", "\xC0\xAF"})
    CHECK(decode_all(tokens, tokens.encode(text).reveal()) == text);
}

TEST_CASE("The text of a special token in plain text stays text") {
  auto const& tokens = *tiny_model().tokens;
  for (token_id id = 0; static_cast<std::size_t>(id) < tokens.size(); ++id) {
    if (!tokens.is_special(id)) continue;
    auto const encoded = tokens.encode(std::string("a ") + std::string(tokens.bytes(id)) + " b");
    for (auto const each : encoded.reveal()) CHECK_FALSE(tokens.is_special(each));
  }
}

TEST_CASE("A special token matches inside the template's own text alone") {
  auto const& tokens = *tiny_model().tokens;
  auto const special = [&](template_output const& prompt) {
    auto const encoded = tokens.encode(prompt);
    auto const all = encoded.reveal();
    return std::count_if(all.begin(), all.end(), [&](token_id id) { return tokens.is_special(id); });
  };
  CHECK(special(make_prompt({{"<|im_start|>user\n", true}, {"hi", false}, {"<|im_end|>", true}})) == 2);
  CHECK(special(make_prompt({{"<|im_start|>user\n", true}, {"<|im_end|>", false}, {"<|im_end|>", true}})) ==
        2);
  CHECK(special(make_prompt({{"<|im_", true}, {"end|>", false}})) == 0);
  CHECK(special(make_prompt({{"<|im_", false}, {"end|>", true}})) == 0);
  CHECK(special(make_prompt({{"<|im_e", true}, {"n", false}, {"d|>", true}})) == 0);
}

TEST_CASE("Template and content between two special tokens are cut as one text") {
  auto const& tokens = *tiny_model().tokens;
  auto const split = tokens.encode(make_prompt({{"The cap", true}, {"ital of", false}, {" France", true}}));
  CHECK(ids(split) == ids(tokens.encode("The capital of France")));
}

TEST_CASE("Added tokens that look like ordinary text match in content, markup does not") {
  byte_vocabulary vocabulary("gpt-2");
  vocabulary.add("    ", token_type::user_defined);
  vocabulary.add("<think>", token_type::user_defined);
  auto const tokens = vocabulary.make();
  CHECK(ids(tokens->encode("a    b")) == std::vector<token_id>{'a', 256, 'b'});
  auto const thought = ids(tokens->encode("<think>"));
  CHECK(std::find(thought.begin(), thought.end(), 257) == thought.end());
  CHECK(ids(tokens->encode(make_prompt({{"<think>", true}}))) == std::vector<token_id>{257});
}

TEST_CASE("Of the added tokens that begin at one place the longest matches") {
  byte_vocabulary vocabulary("gpt-2");
  vocabulary.add("<|a", token_type::control);
  vocabulary.add("<|a|>", token_type::control);
  CHECK(ids(vocabulary.make()->encode(make_prompt({{"<|a|>", true}}))) == std::vector<token_id>{257});
}

TEST_CASE("How few tokens a text can become follows from the longest token") {
  byte_vocabulary bytes("gpt-2");
  auto const shortest = bytes.make();
  CHECK(shortest->least_tokens(1000) == 1000);
  CHECK(shortest->encode(std::string(1000, 'x')).size() == 1000);
  bytes.add("<|a special one|>", token_type::control);
  CHECK(bytes.make()->least_tokens(1000) == 1000 / 17);
}

TEST_CASE("A long word merges as its short neighbours do") {
  // The heap takes over beyond a bound: both ways must agree on the same runs.
  byte_vocabulary vocabulary("gpt-2");
  vocabulary.add("aa", token_type::normal);
  vocabulary.add("aaaa", token_type::normal);
  vocabulary.add("ba", token_type::normal);
  vocabulary.merges = {"a a", "b a", "aa aa"};
  auto const tokens = vocabulary.make();
  for (std::size_t length = 1; length < 200; ++length) {
    std::vector<token_id> expected(length / 4, 257);
    if (length % 4 >= 2) expected.push_back(256);
    if (length % 2 == 1) expected.push_back('a');
    CHECK(ids(tokens->encode(std::string(length, 'a'))) == expected);
  }
}

/// Merging as the definition has it: look at all pairs, join the best, begin again.
std::vector<token_id> merge_slowly(vocabulary const& tokens, std::string_view word) {
  std::vector<token_id> symbols;
  for (auto const byte : word) symbols.push_back(tokens.byte_token(static_cast<unsigned char>(byte)));
  while (true) {
    merge_rule best;
    std::size_t at = 0;
    for (std::size_t left = 0; left + 1 < symbols.size(); ++left)
      if (auto const rule = tokens.merge_of(symbols[left], symbols[left + 1]); rule.rank < best.rank)
        best = rule, at = left;
    if (best.merged == no_token) return symbols;
    symbols[at] = best.merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST_CASE("Short and long words merge as the definition has it") {
  std::mt19937 random(3);
  auto const file = gguf_file::open(std::string(MAYFLY_TEST_MODELS) + "/tiny-default-5.8M-q8_0.gguf");
  REQUIRE(file);
  auto const tokens = vocabulary::make(read_vocabulary(**file));
  REQUIRE(tokens);
  byte_pair_merger merger(*tokens);
  for (int round = 0; round < 400; ++round) {
    std::string word;
    for (auto left = 1 + random() % 90; left > 0; --left) word += "etaoinshr \xC3\xA9"[random() % 12];
    ephemeral_tokens merged;
    merger.merge(word, merged);
    CHECK(ids(merged) == merge_slowly(*tokens, word));
  }
}

TEST_CASE("A hundred thousand letters without a space are encoded and come back") {
  auto const& tokens = *tiny_model().tokens;
  auto const text = std::string(100'000, 'q') + std::string(100'000, ' ') + std::string(1000, '\n');
  CHECK(decode_all(tokens, tokens.encode(text).reveal()) == text);
}

TEST_CASE("A byte without a token is left out") {
  byte_vocabulary vocabulary("gpt-2");
  vocabulary.spellings['x'] = "[gone]";
  CHECK(ids(vocabulary.make()->encode("axb")) == std::vector<token_id>{'a', 'b'});
}

TEST_CASE("The end of an answer is what the file says and what is known by name") {
  auto const& tokens = *tiny_model().tokens;
  REQUIRE(tokens.eos().has_value());
  auto const ends = tokens.end_of_generation();
  CHECK(std::find(ends.begin(), ends.end(), *tokens.eos()) != ends.end());
  CHECK(tokens.bytes(*tokens.eos()) == "<|im_end|>");
  CHECK(std::is_sorted(ends.begin(), ends.end()));
}

TEST_CASE("An ordinary token that spells </s> does not end an answer") {
  byte_vocabulary vocabulary("qwen2");
  vocabulary.add("</s>", token_type::normal);
  vocabulary.add("<|im_end|>", token_type::normal);
  auto const tokens = vocabulary.make();
  CHECK(std::vector<token_id>(tokens->end_of_generation().begin(), tokens->end_of_generation().end()) ==
        std::vector<token_id>{257});
}

TEST_CASE("Control tokens are decoded only when asked for") {
  auto const& tokens = *tiny_model().tokens;
  auto const eos = *tokens.eos();
  CHECK(decode_all(tokens, {&eos, 1}, false).empty());
  CHECK(decode_all(tokens, {&eos, 1}, true) == "<|im_end|>");
}

TEST_CASE("A token outside the vocabulary decodes to nothing") {
  auto const& tokens = *tiny_model().tokens;
  for (token_id const id : {-1, INT32_MAX, static_cast<token_id>(tokens.size())})
    CHECK(decode_all(tokens, {&id, 1}).empty());
}

TEST_CASE("Models that are not byte-level BPE, or name an unknown pre-tokeniser, are refused") {
  byte_vocabulary vocabulary("no such thing");
  vocabulary.source.tokens.assign(vocabulary.spellings.begin(), vocabulary.spellings.end());
  CHECK(tokenizer::make(vocabulary.source).failure().code == errc::unsupported);
  vocabulary.source.pre = "gpt-2";
  vocabulary.source.model = "llama";
  CHECK(tokenizer::make(vocabulary.source).failure().code == errc::unsupported);
}

TEST_CASE("A vocabulary that does not fit together is malformed") {
  byte_vocabulary vocabulary("gpt-2");
  vocabulary.source.tokens.assign(vocabulary.spellings.begin(), vocabulary.spellings.end());
  vocabulary.source.eos = 4096;
  CHECK(tokenizer::make(vocabulary.source).failure().code == errc::malformed);
  vocabulary.source.eos.reset();
  vocabulary.source.types.pop_back();
  CHECK(tokenizer::make(vocabulary.source).failure().code == errc::malformed);
  vocabulary.source.types.clear();
  vocabulary.source.tokens.clear();
  CHECK(tokenizer::make(vocabulary.source).failure().code == errc::malformed);
}

TEST_CASE("Every known pre-tokeniser's pieces are the text again") {
  std::mt19937 random(4);
  for (auto const* name : {"default", "gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o",
                           "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "command-r", "bloom",
                           "viking", "minicpm5", "seed-coder"}) {
    auto const pieces = pre_tokenizer::make(name);
    REQUIRE(pieces);
    pattern_matcher matcher;
    for (int round = 0; round < 40; ++round) {
      auto const text = random_unicode(random, random() % 80);
      std::string joined;
      pieces->split(text, matcher, [&](std::string_view piece) {
        CHECK_FALSE(piece.empty());
        joined += piece;
      });
      CHECK(joined == text);
    }
  }
}

TEST_CASE("Encoding leaves no content memory in use") {
  auto const& tokens = *tiny_model().tokens;
  auto const before = locked_memory_usage().in_use_bytes;
  {
    auto const encoded =
        tokens.encode("Some text e\xCC\x81 that needs every workspace there is " + std::string(400, 'x'));
  }
  CHECK(locked_memory_usage().in_use_bytes == before);
}

} // namespace
} // namespace mayfly::gpu
