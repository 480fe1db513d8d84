#pragma once
// One model of a worker: takes requests, drives the engine, turns tokens into text, wipes and reports. Driven
// by one thread (engine_thread.hpp), and by tests without any.
//
// Credit: a choice may send as many chunks as the gateway granted. A token makes at most one chunk, so the
// engine gets the same number of tokens; a token whose text is held back gives its credit back to the engine.
// So a slow client stops its own sequence, and nothing piles up.
#include "actors/retention_outbox.hpp"
#include "actors/worker/group_lead.hpp"
#include "actors/worker/model_language.hpp"
#include "gpu/engine.hpp"
#include "protocol/base/clock.hpp"

#include <cstdlib>
#include <deque>
#include <functional>
#include <unordered_map>

namespace mayfly::actors {

struct worker_model {
  name model;
  std::unique_ptr<gpu::engine> engine;
  std::shared_ptr<model_language const> language;
  std::shared_ptr<group_lead> group{}; ///< of the other ranks; null: this worker computes the whole model
  std::uint32_t max_running = 64;      ///< the engine's max_sequences and max_queued, for the reports
  std::uint32_t max_waiting = 256;
  bool allow_unencrypted_nccl = false; ///< the operator's setting, for the reports
  /// How this process ends where nothing else erases what its device holds: by default at once.
  std::function<void()> end_process = [] { std::_Exit(EXIT_FAILURE); };
};

/// Whom a cancelled choice's wipe is reported to.
enum class wipe_report : std::uint8_t {
  gateway = 0,   ///< `finished`; the gateway passes it on
  retention = 1, ///< the gateway is gone
  both = 2,      ///< retention asked itself (lease_forced), and may hear from a gateway that is stuck
};

class model_runner {
public:
  /// `outbox` outlives the runner.
  model_runner(worker_model model, node_id self, retention_outbox& outbox);

  /// Answers `admission`. The content is given up before the answer of a refusal.
  void infer(cluster::peer_ref const& from, std::shared_ptr<messages::infer const> request, deadline now);
  void credit(messages::credit const& credit);
  /// Ends and wipes every choice of the request. Unknown ones are passed over.
  void cancel(request_id request, wipe_report report, deadline now);
  /// Tells retention that this worker holds nothing of a request.
  void report_nothing(request_id request);
  /// Ends and wipes what a gateway that is gone asked for; reports that, and what it may not have heard of.
  void gateway_lost(node_id gateway, deadline now);
  /// Ends what is past its deadline.
  void tick(deadline now);

  bool has_work() const noexcept { return model_.engine->has_work(); }
  /// One engine step; sends its chunks, and `finished` for what ended, scratch scrubbed.
  void step(deadline now);
  /// After an exception: everything ends as failed.
  void fail_all(errc code, deadline now);
  /// Erases scratch; call before the thread blocks. Ends the process where the device does not confirm it.
  void scrub();

  /// A group of ranks is formed; without one nothing is admitted. Errors: those of group_lead::form.
  result<void> form_group(group_offer offer);
  /// True if there is a group and a rank of it is lost.
  bool group_lost() { return model_.group && model_.group->lost(); }
  /// Whoever is not formed and wants to be.
  group_lead const* group() const noexcept { return model_.group.get(); }
  /// Thread-safe.
  void abandon_group() noexcept {
    if (model_.group) model_.group->abandon();
  }
  /// What ran is wiped as far as it can be, and this process ended, without a word of what it cannot vouch
  /// for.
  void end_process();
  bool leaves_traces() const noexcept { return model_.group && model_.group->seat()->leaves_traces(); }
  /// What runs ends, wiped; the other ranks notice, wipe, and report themselves.
  void leave_group(deadline now);

  name const& model() const noexcept { return model_.model; }
  messages::model_load load() const;
  /// What operations shall know of this rank; `ranks` is 0 where there is no group.
  messages::rank_report rank() const;
  std::size_t active() const noexcept { return choices_.size(); }

private:
  struct running_choice {
    cluster::peer_ref gateway;
    request_id request;
    std::uint32_t choice = 0;
    deadline ends_at{};
    std::unique_ptr<text_stream> text;
    ephemeral_text ready; ///< not yet sent
    std::vector<messages::token_logprob> logprobs;
    std::uint32_t unsent_tokens = 0;
    std::uint32_t next_sequence = 0;
    std::uint32_t prompt_tokens = 0;
    std::uint32_t completion_tokens = 0;
    std::uint64_t content_bytes = 0; ///< that this runner itself held: text, tokens
    bool wants_logprobs = false;
    deadline received{}, submitted{}, first_token{};
  };
  using choices = std::unordered_map<gpu::sequence_handle, running_choice>;
  struct ending {
    choices::node_type choice;
    messages::finish_reason reason;
    errc code;
    std::uint64_t engine_bytes;
  };
  struct told_ending {
    messages::holder_wiped wiped;
    node_id gateway;
    deadline at;
  };

  void admit(gpu::sequence_handle handle, running_choice choice, deadline now);
  result<gpu::sequence_request> prepare(messages::infer const& request, running_choice& choice) const;
  bool is_running(request_id request, std::uint32_t choice) const;
  bool is_running(request_id request) const;
  void take_event(gpu::sequence_event& event, deadline now);
  void take_token(gpu::sequence_event const& event, running_choice& choice, deadline now);
  messages::token_logprob weigh(gpu::sequence_event const& event) const;
  void send_chunk(running_choice& choice);
  void end_of_text(gpu::sequence_handle handle, messages::finish_reason reason, std::uint64_t engine_bytes);
  void end_choice(gpu::sequence_handle handle, messages::finish_reason reason, errc code, wipe_report report,
                  deadline now);
  void report_endings(wipe_report report, deadline now);
  void report_ending(ending& ended, wipe_report report, deadline now);

  worker_model model_;
  node_id self_;
  retention_outbox* outbox_;
  choices choices_;
  std::vector<ending> endings_;                 ///< of this step
  std::vector<gpu::sequence_handle> to_cancel_; ///< a stop string came
  std::vector<gpu::sequence_handle> to_grant_;  ///< made no chunk
  std::deque<told_ending> told_; ///< the gateway may be lost before it hears: for a few seconds
};

} // namespace mayfly::actors
