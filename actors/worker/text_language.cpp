#include "actors/worker/text_language.hpp"

#include "gpu/text/detokenizer.hpp"
#include "protocol/base/clock.hpp"

namespace mayfly::actors {
namespace {

gpu::chat_role role_of(messages::chat_role role) {
  switch (role) {
  case messages::chat_role::system:
    return gpu::chat_role::system;
  case messages::chat_role::assistant:
    return gpu::chat_role::assistant;
  case messages::chat_role::developer:
    return gpu::chat_role::developer;
  case messages::chat_role::tool:
    return gpu::chat_role::tool;
  case messages::chat_role::user:
    break;
  }
  return gpu::chat_role::user;
}

class detokenizing_stream final : public text_stream {
public:
  detokenizing_stream(std::shared_ptr<gpu::tokenizer const> tokens, std::span<ephemeral_text const> stops)
      : text_(std::move(tokens), stops) {}
  void take(token_id token, ephemeral_text& out) override { text_.take(token, out); }
  void finish(ephemeral_text& out) override { text_.finish(out); }
  bool stopped() const noexcept override { return text_.stopped(); }

private:
  gpu::detokenizer text_;
};

class text_language final : public model_language {
public:
  explicit text_language(gpu::model_text text) : text_(std::move(text)) {}

  result<prepared_prompt> prepare(messages::infer const& request,
                                  std::uint32_t context_tokens) const override {
    switch (request.kind) {
    case messages::prompt_kind::chat:
      return prepare_chat(request, context_tokens);
    case messages::prompt_kind::text:
      return prepare_text(request, context_tokens);
    case messages::prompt_kind::tokens:
      break;
    }
    return prepare_tokens(request);
  }

  std::unique_ptr<text_stream> open(std::span<ephemeral_text const> stops) const override {
    return std::make_unique<detokenizing_stream>(text_.tokens, stops);
  }

  void append_bytes(token_id token, ephemeral_text& out) const override {
    out.append(text_.tokens->bytes(token));
  }

  std::span<token_id const> stop_tokens() const noexcept override {
    return text_.tokens->end_of_generation();
  }

private:
  /// An engine's thread must not spend its time on a text of megabytes that is then refused.
  result<void> check_length(std::size_t bytes, std::uint32_t context_tokens) const {
    if (text_.tokens->least_tokens(bytes) < context_tokens) return {};
    return error{errc::context_length_exceeded, "the prompt exceeds the context", context_tokens};
  }

  result<prepared_prompt> prepare_chat(messages::infer const& request, std::uint32_t context_tokens) const {
    if (text_.chat == nullptr)
      return error{errc::invalid_request, "the model has no chat template that we run", 0};
    std::vector<gpu::chat_message> conversation;
    for (auto const& message : request.messages) {
      gpu::chat_message turn{role_of(message.role), message.content.clone(), std::nullopt};
      if (!message.author.empty()) turn.name = message.author.clone();
      conversation.push_back(std::move(turn));
    }
    gpu::template_options options;
    options.unix_seconds = unix_milliseconds() / 1000;
    auto const rendered = text_.chat->render(conversation, options);
    if (!rendered) { // whatever the template found wrong is wrong with the conversation
      bool const memory = rendered.failure().code == errc::out_of_memory;
      return error{memory ? errc::overloaded : errc::invalid_request,
                   "the model's chat template refuses the conversation", rendered.failure().number};
    }
    if (auto const fits = check_length(rendered->text.size(), context_tokens); !fits) return fits.failure();
    prepared_prompt prompt;
    prompt.tokens = text_.tokens->encode(*rendered);
    return prompt;
  }

  result<prepared_prompt> prepare_text(messages::infer const& request, std::uint32_t context_tokens) const {
    if (auto const fits = check_length(request.prompt.size(), context_tokens); !fits) return fits.failure();
    prepared_prompt prompt;
    if (text_.tokens->adds_bos() && text_.tokens->bos()) prompt.tokens.push_back(*text_.tokens->bos());
    auto const encoded = text_.tokens->encode(request.prompt.reveal());
    prompt.tokens.append(encoded.reveal());
    if (request.echo) prompt.echo = request.prompt.clone();
    return prompt;
  }

  result<prepared_prompt> prepare_tokens(messages::infer const& request) const {
    prepared_prompt prompt;
    prompt.tokens = request.prompt_tokens.clone();
    if (!request.echo) return prompt;
    gpu::detokenizer text(text_.tokens, {}); // whole characters, as chunks must be
    for (auto const token : request.prompt_tokens.reveal()) text.take(token, prompt.echo);
    text.finish(prompt.echo);
    return prompt;
  }

  gpu::model_text text_;
};

} // namespace

std::shared_ptr<model_language const> make_text_language(gpu::model_text text) {
  return std::make_shared<text_language>(std::move(text));
}

result<worker_model> load_worker_model(name model, gpu::engine_options const& options) {
  auto text = gpu::load_model_text(options.model);
  if (!text) return text.failure();
  auto engine = gpu::engine::load(options);
  if (!engine) return engine.failure();
  worker_model loaded;
  loaded.model = std::move(model);
  loaded.engine = std::move(*engine);
  loaded.language = make_text_language(std::move(*text));
  loaded.max_running = options.max_sequences;
  loaded.max_waiting = options.max_queued;
  return loaded;
}

} // namespace mayfly::actors
