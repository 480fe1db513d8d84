#include "gpu/text/tokenizer.hpp"
#include "ops/oracles/answers.hpp"
#include "ops/oracles/frames.hpp"
#include "ops/oracles/vocabulary_reading.hpp"

namespace mayfly::oracle {
namespace {

using tokenizer_ptr = std::shared_ptr<gpu::tokenizer const>;

result<tokenizer_ptr> load(std::filesystem::path const& model) {
  auto file = gpu::gguf_file::open(model);
  if (!file) return file.failure();
  return gpu::tokenizer::make(read_vocabulary(**file));
}

/// The text as if a chat template had written all of it.
ephemeral_tokens encode_as_template(gpu::tokenizer const& tokens, std::string_view text) {
  gpu::template_output prompt;
  prompt.text.append(text);
  prompt.own.push_back({0, text.size()});
  return tokens.encode(prompt);
}

} // namespace

result<void> answer_tokenize(std::filesystem::path const& model, special_tokens special) {
  auto tokens = load(model);
  if (!tokens) return tokens.failure();
  while (auto const text = read_frame()) {
    auto const ids = special == special_tokens::match_everywhere ? encode_as_template(**tokens, *text)
                                                                 : (*tokens)->encode(*text);
    write_frame(ids.reveal());
  }
  return {};
}

result<void> answer_detokenize(std::filesystem::path const& model) {
  auto tokens = load(model);
  if (!tokens) return tokens.failure();
  while (auto const asked = read_frame()) {
    ephemeral_text text;
    for (auto const id : ids_of<token_id>(*asked)) (*tokens)->decode(id, text, true);
    write_frame(std::span<char const>(text.reveal()));
  }
  return {};
}

} // namespace mayfly::oracle
