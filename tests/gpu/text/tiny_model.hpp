#pragma once
#include "gpu/text/model_text.hpp"
#include "gpu/text/utf8.hpp"

#include <random>
#include <string>

namespace mayfly::gpu {

/// The text half of the 6 MB test model, read once.
inline model_text const& tiny_model() {
  static auto const loaded =
      load_model_text(std::string(MAYFLY_TEST_MODELS) + "/tiny-default-5.8M-q8_0.gguf");
  return loaded.value();
}

inline std::string decode_all(tokenizer const& tokens, std::span<token_id const> ids, bool special = true) {
  ephemeral_text out;
  for (auto const id : ids) tokens.decode(id, out, special);
  return std::string(out.reveal());
}

/// Text of `characters` code points out of many scripts, assigned or not; without surrogates.
inline std::string random_unicode(std::mt19937& random, std::size_t characters) {
  constexpr std::pair<char32_t, char32_t> ranges[] = {
      {0x00, 0x7F},     {0x20, 0x7E},     {0xA0, 0x24F},      {0x370, 0x5FF},    {0x900, 0xDFF},
      {0x2000, 0x2BFF}, {0x3040, 0x9FFF}, {0x1F300, 0x1FAFF}, {0xE000, 0x10FFFF}};
  std::string text;
  for (; characters > 0; --characters) {
    auto const [low, high] = ranges[random() % std::size(ranges)];
    text += encode_utf8(low + static_cast<char32_t>(random()) % (high - low + 1)).view();
  }
  return text;
}

} // namespace mayfly::gpu
