#pragma once
// An engine without a model, and a language of one token a byte. Every sequence generates "abcdefghij..."
// again and again; generation follows credit and max_tokens as gpu/engine.hpp says.
#include "actors/worker/model_runner.hpp"

#include <atomic>
#include <map>

namespace mayfly::testing {

struct engine_script {
  std::uint32_t context_tokens = 64;
  std::uint32_t max_sequences = 4;                        ///< admitted at all: there is no queue
  std::optional<std::uint32_t> end_after = std::nullopt;  ///< tokens until the end of sequence
  std::optional<std::uint32_t> fail_after = std::nullopt; ///< tokens until the backend fails
};

/// What a test watches while the engine's thread runs.
struct engine_traces {
  std::atomic<std::uint32_t> submitted{0}, cancelled{0}, scrubs{0}, steps{0}, generated{0};
  std::atomic<bool> hold{false};          ///< no sequence advances
  std::atomic<bool> fails_to_wipe{false}; ///< as a device that failed
};

class scripted_engine final : public gpu::engine {
public:
  scripted_engine(engine_script script, std::shared_ptr<engine_traces> traces)
      : script_(script), traces_(std::move(traces)) {}

  result<gpu::sequence_handle> submit(gpu::sequence_request request) override {
    if (sequences_.size() >= script_.max_sequences) return error{errc::overloaded, "full", 0};
    if (request.prompt.empty()) return error{errc::invalid_request, "empty prompt", 0};
    ++traces_->submitted;
    sequences_.emplace(next_, std::move(request));
    return next_++;
  }
  void grant(gpu::sequence_handle sequence, std::uint32_t tokens) override {
    auto const at = sequences_.find(sequence);
    if (at != sequences_.end()) at->second.request.credit += tokens;
  }
  std::size_t cancel(gpu::sequence_handle sequence) override {
    auto const at = sequences_.find(sequence);
    if (at == sequences_.end()) return 0;
    ++traces_->cancelled;
    sequences_.erase(at);
    return 1000;
  }
  bool has_work() const noexcept override {
    if (traces_->hold) return false;
    return std::any_of(sequences_.begin(), sequences_.end(),
                       [](auto const& each) { return each.second.request.credit > 0; });
  }
  std::span<gpu::sequence_event> step() override {
    ++traces_->steps;
    events_.clear();
    for (auto& [handle, sequence] : sequences_)
      if (sequence.request.credit > 0) advance(handle, sequence);
    for (auto const& event : events_)
      if (event.finish != gpu::finish_reason::none) sequences_.erase(event.sequence);
    return events_;
  }
  void scrub() override { ++traces_->scrubs; }
  bool wiped() const noexcept override { return !traces_->fails_to_wipe; }
  gpu::engine_figures figures() const noexcept override {
    gpu::engine_figures figures;
    figures.running = static_cast<std::uint32_t>(sequences_.size());
    figures.kv_blocks = figures.kv_blocks_free = 16;
    figures.kv_block_tokens = 16;
    figures.decode_tokens = traces_->generated;
    return figures;
  }
  std::uint32_t vocabulary_size() const noexcept override { return 256; }
  std::uint32_t context_tokens() const noexcept override { return script_.context_tokens; }
  literal backend_name() const noexcept override { return "scripted"; }

private:
  struct sequence_state {
    explicit sequence_state(gpu::sequence_request asked) : request(std::move(asked)) {}
    gpu::sequence_request request;
    std::uint32_t generated = 0;
  };

  void advance(gpu::sequence_handle handle, sequence_state& sequence) {
    gpu::sequence_event event;
    event.sequence = handle;
    event.has_token = true;
    --sequence.request.credit;
    event.token = {static_cast<token_id>('a' + sequence.generated % 10), -0.5F};
    if (sequence.request.sampling.top_logprobs != 0) event.top.push_back({'z', -1.5F});
    ++sequence.generated;
    ++traces_->generated;
    if (script_.fail_after && sequence.generated > *script_.fail_after) {
      event.has_token = false;
      event.finish = gpu::finish_reason::failed;
      event.failure = {errc::backend_failed, "as the script says", 0};
    } else if (script_.end_after && sequence.generated > *script_.end_after) {
      event.finish = gpu::finish_reason::stop;
    } else if (sequence.generated == sequence.request.max_tokens) {
      event.finish = gpu::finish_reason::length;
    }
    if (event.finish != gpu::finish_reason::none) event.wiped_bytes = 1000;
    events_.push_back(std::move(event));
  }

  engine_script script_;
  std::shared_ptr<engine_traces> traces_;
  std::map<gpu::sequence_handle, sequence_state> sequences_;
  std::vector<gpu::sequence_event> events_;
  gpu::sequence_handle next_ = 1;
};

/// One stop string, held back while it may still come.
class byte_stream final : public actors::text_stream {
public:
  explicit byte_stream(std::span<ephemeral_text const> stops) {
    if (!stops.empty()) stop_ = stops.front().clone();
  }
  void take(token_id token, ephemeral_text& out) override {
    if (stopped_) return;
    held_.push_back(static_cast<char>(token));
    if (!stop_.empty() && held_.reveal() == stop_.reveal()) {
      stopped_ = true;
      held_.clear();
    }
    while (!held_.empty() && !stop_.reveal().starts_with(held_.reveal())) {
      out.append(held_.reveal().substr(0, 1));
      held_.drop_front(1);
    }
  }
  void finish(ephemeral_text& out) override {
    out.append(held_.reveal());
    held_.clear();
  }
  bool stopped() const noexcept override { return stopped_; }

private:
  ephemeral_text stop_, held_;
  bool stopped_ = false;
};

class byte_language final : public actors::model_language {
public:
  result<actors::prepared_prompt> prepare(messages::infer const& request, std::uint32_t) const override {
    actors::prepared_prompt prompt;
    for (auto const& message : request.messages) take(message.content.reveal(), prompt.tokens);
    take(request.prompt.reveal(), prompt.tokens);
    if (request.echo) prompt.echo = request.prompt.clone();
    return prompt;
  }
  std::unique_ptr<actors::text_stream> open(std::span<ephemeral_text const> stops) const override {
    return std::make_unique<byte_stream>(stops);
  }
  void append_bytes(token_id token, ephemeral_text& out) const override {
    out.push_back(static_cast<char>(token));
  }
  std::span<token_id const> stop_tokens() const noexcept override { return ends_; }

private:
  static void take(std::string_view text, ephemeral_tokens& out) {
    for (char const each : text) out.push_back(static_cast<unsigned char>(each));
  }
  std::vector<token_id> ends_{0};
};

inline name named(std::string_view text) { return *name::parse(text); }

inline actors::worker_model scripted_model(engine_script script, std::shared_ptr<engine_traces> traces,
                                           std::string_view model = "scripted") {
  actors::worker_model loaded;
  loaded.model = named(model);
  loaded.max_running = script.max_sequences;
  loaded.max_waiting = 0;
  loaded.engine = std::make_unique<scripted_engine>(script, std::move(traces));
  loaded.language = std::make_shared<byte_language>();
  return loaded;
}

} // namespace mayfly::testing
