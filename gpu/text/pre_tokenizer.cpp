#include "gpu/text/pre_tokenizer.hpp"

#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace mayfly::gpu {
namespace {

// GPT-2's expression (encoder.py), which Hugging Face's ByteLevel uses.
constexpr std::string_view gpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view digit = R"(\p{N})";
constexpr std::string_view digits = R"(\p{N}+)";
constexpr std::string_view up_to_three_digits = R"(\p{N}{1,3})";
constexpr std::string_view three_digits = "[0-9][0-9][0-9]";

// tiktoken's cl100k and its children: they differ in how many digits go together.
constexpr std::string_view llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view seed_coder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view minicpm5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Mistral's tekken and OpenAI's o200k: words are cut where case changes.
constexpr std::string_view tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view o200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// DeepSeek: its own classes for letters, punctuation and CJK.
constexpr std::string_view line_break = R"([\r\n])";
constexpr std::string_view cjk_and_hangul = R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";
constexpr std::string_view deepseek_letters = R"(\s?\p{L}+)";
constexpr std::string_view deepseek_punctuation = R"(\s?\p{P}+)";
constexpr std::string_view deepseek_cased =
    R"(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293})"
    R"(\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a})"
    R"(\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556})"
    R"(\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf})"
    R"(\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d})"
    R"(\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-)"
    R"(\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc})"
    R"(\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc})"
    R"(\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128})"
    R"(\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e})"
    R"(\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3})"
    R"(\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e})"
    R"(\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a})"
    R"(\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-)"
    R"(\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)";
constexpr std::string_view deepseek_marks =
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)";
constexpr std::string_view trailing_space = R"(\s+$)";
constexpr std::string_view cjk_and_kana = R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)";
constexpr std::string_view deepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Falcon's, and what GGUF calls "default", which llama.cpp defines.
constexpr std::string_view falcon_punctuation = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr std::string_view default_punctuation = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr std::string_view bloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)";

using names = std::initializer_list<std::string_view>;

struct family {
  std::initializer_list<std::string_view> known_as;
  std::initializer_list<std::string_view> stages;
  pre_tokenizer_traits traits = {};
};

constexpr pre_tokenizer_traits whole = {.whole_pieces_first = true};
constexpr pre_tokenizer_traits whole_with_bos = {.whole_pieces_first = true, .add_bos = true};
constexpr pre_tokenizer_traits with_nfc = {.nfc = true};

// Names as llama.cpp's converter writes them into tokenizer.ggml.pre.
family const families[] = {
    {names{"default", ""}, {default_punctuation, gpt2, digits, three_digits}},
    {names{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0",
           "mellum", "jais", "trillion", "granite-docling", "exaone4"},
     {gpt2}},
    {names{"mpt", "olmo", "modern-bert"}, {gpt2}, with_nfc},
    {names{"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"}, {digit, gpt2}},
    {names{"command-r"}, {digit, gpt2}, with_nfc},
    {names{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
     {llama3},
     whole_with_bos},
    {names{"dbrx", "smaug-bpe", "chatglm-bpe"}, {llama3}},
    {names{"glm4", "glm5"}, {llama3}, whole},
    {names{"qwen2", "deepseek-r1-qwen", "kormo", "megrez"}, {qwen2}, with_nfc},
    {names{"stablelm2", "hunyuan", "grok-2", "solar-open"}, {qwen2}},
    {names{"qwen35"}, {qwen35}},
    {names{"seed-coder"}, {seed_coder}},
    {names{"minicpm5"}, {up_to_three_digits, minicpm5}, whole},
    {names{"tekken"}, {tekken}, whole_with_bos},
    {names{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {o200k}},
    {names{"deepseek-llm"},
     {line_break, deepseek_cased, deepseek_marks, trailing_space, cjk_and_hangul, digits}},
    {names{"deepseek-coder"}, {line_break, deepseek_letters, deepseek_punctuation, cjk_and_hangul, digit}},
    {names{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, {up_to_three_digits, cjk_and_kana, deepseek3}},
    {names{"falcon"}, {falcon_punctuation, gpt2, three_digits}},
    {names{"bloom", "poro-chat", "gpt3-finnish"}, {bloom}},
    {names{"viking"}, {bloom, digit}},
};

} // namespace

result<pre_tokenizer> pre_tokenizer::make(std::string_view name) {
  auto const* const found =
      std::find_if(std::begin(families), std::end(families), [&](family const& candidate) {
        return std::find(candidate.known_as.begin(), candidate.known_as.end(), name) !=
               candidate.known_as.end();
      });
  if (found == std::end(families))
    return error{errc::unsupported, "the model names a pre-tokeniser we do not know"};
  pre_tokenizer made;
  made.traits_ = found->traits;
  for (auto const expression : found->stages) {
    auto compiled = pattern::compile(expression);
    if (!compiled) return compiled.failure();
    made.stages_.push_back(std::move(*compiled));
  }
  return made;
}

std::pair<std::size_t, std::size_t> pre_tokenizer::next_match(std::size_t stage, std::string_view text,
                                                              std::size_t from,
                                                              pattern_matcher& matcher) const {
  while (from < text.size()) {
    auto const found = matcher.find(stages_[stage], text, from);
    if (!found) break;
    if (found->first < found->second) return *found;
    from = found->second < text.size() ? found->second + decode_utf8(text.substr(found->second)).bytes
                                       : text.size();
  }
  return {text.size(), text.size()};
}

} // namespace mayfly::gpu
