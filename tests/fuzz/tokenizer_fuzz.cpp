// Any bytes as a prompt: they come back from their tokens (normalised where the family does so), streaming
// releases the same text at every split, and a special token stands only where the template wrote one. The
// first byte chooses the pre-tokeniser, the second where the template's own text ends.
#include "gpu/text/detokenizer.hpp"
#include "gpu/text/normalization.hpp"
#include "gpu/text/utf8.hpp"

#include <array>
#include <cstdlib>
#include <string>

using namespace mayfly;
using namespace mayfly::gpu;

namespace {

constexpr std::array names = {"gpt-2",       "smollm", "llama-bpe",    "qwen2",          "default", "tekken",
                              "deepseek-v3", "gpt-4o", "deepseek-llm", "deepseek-coder", "falcon",  "bloom"};
constexpr token_id special = 256;

void check(bool holds) {
  if (!holds) std::abort();
}

/// All bytes, one special token, a few merges.
std::shared_ptr<tokenizer const> make_tokenizer(char const* name) {
  std::array<std::string, 262> spelled;
  char32_t substitute = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto const itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    spelled[byte] = encode_utf8(itself ? byte : substitute++).view();
  }
  spelled[256] = "<|end|>";
  spelled[257] = "\u0120\u0120";
  spelled[258] = "\u0120\u0120\u0120\u0120";
  spelled[259] = "th";
  spelled[260] = "the";
  spelled[261] = "aa";
  vocabulary_source source;
  source.pre = name;
  source.tokens.assign(spelled.begin(), spelled.end());
  source.types.assign(spelled.size(), token_type::normal);
  source.types[256] = token_type::control;
  source.merges = {"\u0120 \u0120", "\u0120\u0120 \u0120\u0120", "t h", "th e", "a a"};
  return tokenizer::make(source).value();
}

void check_streaming(std::shared_ptr<tokenizer const> const& tokens, ephemeral_tokens const& ids) {
  std::array<ephemeral_text, 1> const stops{ephemeral_text("the")};
  detokenizer plain(tokens, {});
  detokenizer stopping(tokens, stops);
  ephemeral_text whole;
  ephemeral_text cut;
  for (auto const id : ids.reveal()) {
    plain.take(id, whole);
    stopping.take(id, cut);
    check(valid_utf8_prefix(whole.reveal()) == whole.size());
  }
  plain.finish(whole);
  stopping.finish(cut);
  check(whole.reveal().substr(0, whole.reveal().find("the")) == cut.reveal());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
  static auto const tokenizers = [] {
    std::array<std::shared_ptr<tokenizer const>, names.size()> made;
    for (std::size_t at = 0; at < names.size(); ++at) made[at] = make_tokenizer(names[at]);
    return made;
  }();
  if (size < 2) return 0;
  auto const& tokens = tokenizers[data[0] % names.size()];
  template_output prompt;
  prompt.text.append({reinterpret_cast<char const*>(data + 2), size - 2});
  auto const text = prompt.text.reveal();
  auto const own = std::min<std::size_t>(data[1], text.size());
  if (own > 0) prompt.own.push_back({0, own});

  auto const plain = tokens->encode(text);
  for (auto const id : plain.reveal()) check(id != special);
  auto const encoded = tokens->encode(prompt);
  std::size_t specials = 0;
  for (auto const id : encoded.reveal()) specials += id == special;
  std::size_t written = 0;
  for (auto at = text.find("<|end|>"); at != text.npos && at + 7 <= own; at = text.find("<|end|>", at + 7))
    ++written;
  check(specials == written);

  ephemeral_text back;
  for (auto const id : plain.reveal()) tokens->decode(id, back, true);
  auto const valid = valid_utf8_prefix(text) == text.size();
  auto const normalizes = std::string_view(names[data[0] % names.size()]) == "qwen2";
  if (!normalizes)
    check(back.reveal() == text);
  else if (valid)
    check(back.reveal() == to_nfc(text).reveal());
  check_streaming(tokens, plain);
  return 0;
}
