#pragma once
// A session's ear for tests, and the requests that they submit.
#include "actors/actors.hpp"
#include "tests/actors/recording_peer.hpp"

namespace mayfly::testing {

/// Test text is no content: it may stand in a std::string.
class recording_sink final : public actors::answer_sink {
public:
  void deliver(actors::answer_event event) override {
    std::lock_guard const lock(mutex_);
    take(event);
    changed_.notify_all();
  }

  std::string text(std::uint32_t choice = 0) const {
    std::lock_guard const lock(mutex_);
    return choice < texts_.size() ? texts_[choice] : std::string();
  }
  std::size_t chunks() const { return read(chunks_); }
  std::size_t started() const { return read(started_); }
  bool complete() const { return read(complete_); }
  std::vector<actors::choice_finished> finished() const { return read(finished_); }
  std::optional<error> failure() const { return read(failure_); }
  bool over() const {
    std::lock_guard const lock(mutex_);
    return complete_ || failure_.has_value();
  }
  bool wait_over() const {
    return wait([&] { return complete_ || failure_.has_value(); });
  }
  bool wait_chunks(std::size_t count) const {
    return wait([&] { return chunks_ >= count; });
  }

private:
  void take(actors::answer_event const& event) {
    if (complete_ || failure_) ++after_end_;
    if (std::holds_alternative<actors::answer_started>(event)) ++started_;
    if (std::holds_alternative<actors::answer_complete>(event)) complete_ = true;
    if (auto const* failed = std::get_if<actors::answer_failed>(&event)) failure_ = failed->failure;
    if (auto const* done = std::get_if<actors::choice_finished>(&event)) finished_.push_back(*done);
    if (auto const* chunk = std::get_if<std::shared_ptr<messages::output_chunk const>>(&event)) {
      ++chunks_;
      if (texts_.size() <= (*chunk)->choice) texts_.resize((*chunk)->choice + 1);
      texts_[(*chunk)->choice] += (*chunk)->text.reveal();
    }
  }
  template <class T>
  T read(T const& value) const {
    std::lock_guard const lock(mutex_);
    return value;
  }
  template <class Condition>
  bool wait(Condition&& condition) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> texts_;
  std::vector<actors::choice_finished> finished_;
  std::optional<error> failure_;
  std::size_t chunks_ = 0, started_ = 0, after_end_ = 0;
  bool complete_ = false;
};

inline messages::infer completion(std::string_view model, std::string_view prompt, std::uint32_t max_tokens) {
  messages::infer infer;
  infer.model = *name::parse(model);
  infer.kind = messages::prompt_kind::text;
  infer.prompt = ephemeral_text(prompt);
  infer.parameters.max_tokens = max_tokens;
  infer.parameters.temperature = 0;
  infer.account = account_id{77};
  return infer;
}

/// `choices` times the same; ends in a minute of boot time.
inline actors::generation generation_of(request_id request, messages::infer const& prototype,
                                        std::shared_ptr<actors::answer_sink> sink,
                                        std::uint32_t choices = 1) {
  actors::generation generation;
  generation.request = request;
  generation.account = account_id{77};
  generation.ends_at = boot_clock::now() + std::chrono::minutes(1);
  for (std::uint32_t index = 0; index < choices; ++index) {
    messages::infer copy;
    copy.request = request;
    copy.choice = index;
    copy.model = prototype.model;
    copy.account = prototype.account;
    copy.kind = prototype.kind;
    for (auto const& message : prototype.messages)
      copy.messages.push_back({message.role, message.content.clone(), message.author.clone()});
    copy.prompt = prototype.prompt.clone();
    for (auto const& text : prototype.stop) copy.stop.push_back(text.clone());
    copy.parameters = prototype.parameters;
    copy.echo = prototype.echo;
    generation.choices.push_back(std::move(copy));
  }
  generation.estimated_prompt_tokens = 8;
  generation.sink = std::move(sink);
  return generation;
}

} // namespace mayfly::testing
