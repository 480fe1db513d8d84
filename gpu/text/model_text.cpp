#include "gpu/text/model_text.hpp"

namespace mayfly::gpu {
namespace {

std::optional<token_id> read_token(gguf_file const& file, std::string_view key) {
  auto const found = file.integer(key);
  if (!found || *found > INT32_MAX) return {}; // old converters write 2^32 - 1 for "none"
  return static_cast<token_id>(*found);
}

std::string spelling_of(vocabulary_source const& source, std::optional<token_id> token) {
  if (!token || static_cast<std::size_t>(*token) >= source.tokens.size()) return {};
  return std::string(source.tokens[static_cast<std::size_t>(*token)]);
}

} // namespace

vocabulary_source read_vocabulary(gguf_file const& file) {
  vocabulary_source source;
  source.model = file.text("tokenizer.ggml.model").value_or("");
  source.pre = file.text("tokenizer.ggml.pre").value_or("");
  source.tokens = file.texts("tokenizer.ggml.tokens");
  source.merges = file.texts("tokenizer.ggml.merges");
  for (auto const type : file.integers("tokenizer.ggml.token_type"))
    source.types.push_back(type >= 1 && type <= 6 ? static_cast<token_type>(type) : token_type::normal);
  source.bos = read_token(file, "tokenizer.ggml.bos_token_id");
  source.eos = read_token(file, "tokenizer.ggml.eos_token_id");
  source.eot = read_token(file, "tokenizer.ggml.eot_token_id");
  source.eom = read_token(file, "tokenizer.ggml.eom_token_id");
  source.unk = read_token(file, "tokenizer.ggml.unknown_token_id");
  source.pad = read_token(file, "tokenizer.ggml.padding_token_id");
  source.add_bos = file.flag("tokenizer.ggml.add_bos_token");
  source.chat_template = file.text("tokenizer.chat_template").value_or("");
  return source;
}

result<model_text> make_model_text(gguf_file const& file) {
  auto const source = read_vocabulary(file);
  auto tokens = tokenizer::make(source);
  if (!tokens) return tokens.failure();
  model_text made{std::move(*tokens), nullptr};
  special_texts specials{spelling_of(source, source.bos), spelling_of(source, source.eos),
                         spelling_of(source, source.unk), spelling_of(source, source.pad)};
  auto chat = chat_template::make(source.chat_template, std::move(specials));
  if (chat)
    made.chat = std::move(*chat);
  else
    made.chat_failure = chat.failure();
  return made;
}

result<model_text> load_model_text(model_file const& where) {
  auto file = gguf_file::open(where);
  if (!file) return file.failure();
  return make_model_text(**file);
}

} // namespace mayfly::gpu
