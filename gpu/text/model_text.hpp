#pragma once
// From a model file to its tokeniser and its chat template.
#include "gpu/formats/gguf.hpp"
#include "gpu/text/chat_template.hpp"
#include "gpu/text/tokenizer.hpp"

namespace mayfly::gpu {

/// What the file's metadata says. Views last as long as the file.
vocabulary_source read_vocabulary(gguf_file const& file);

/// A model's text half: immutable, shared by threads.
struct model_text {
  std::shared_ptr<tokenizer const> tokens;
  std::shared_ptr<chat_template const> chat; ///< null: the file has none, or one that we cannot run
  error chat_failure{errc::ok, "", 0};       ///< why `chat` is null
};

/// Errors: unsupported, malformed (see `tokenizer::make`). A chat template that cannot be read is no error
/// here: plain completions need none.
result<model_text> make_model_text(gguf_file const& file);

/// As above, from a file's path. Errors besides: those of `gguf_file::open`.
result<model_text> load_model_text(model_file const& where);

} // namespace mayfly::gpu
