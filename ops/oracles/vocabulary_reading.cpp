#include "ops/oracles/vocabulary_reading.hpp"

namespace mayfly::oracle {

gpu::vocabulary_source read_vocabulary(gpu::gguf_file const& file) {
  auto const id = [&](char const* key) -> std::optional<token_id> {
    auto const value = file.integer(key);
    return value ? std::optional(static_cast<token_id>(*value)) : std::nullopt;
  };
  gpu::vocabulary_source source;
  source.model = file.text("tokenizer.ggml.model").value_or("");
  source.pre = file.text("tokenizer.ggml.pre").value_or("");
  source.tokens = file.texts("tokenizer.ggml.tokens");
  for (auto const type : file.integers("tokenizer.ggml.token_type"))
    source.types.push_back(static_cast<gpu::token_type>(type));
  source.merges = file.texts("tokenizer.ggml.merges");
  source.bos = id("tokenizer.ggml.bos_token_id");
  source.eos = id("tokenizer.ggml.eos_token_id");
  source.unk = id("tokenizer.ggml.unknown_token_id");
  source.pad = id("tokenizer.ggml.padding_token_id");
  source.add_bos = file.flag("tokenizer.ggml.add_bos_token");
  source.chat_template = file.text("tokenizer.chat_template").value_or("");
  return source;
}

} // namespace mayfly::oracle
