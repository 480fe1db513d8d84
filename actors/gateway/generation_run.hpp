#pragma once
// One request on its way: lease, placement, workers, answer. Pure: no actor, no clock of its own.
//
//   opening --lease_opened--> answering --every choice finished, failure, abandon--> ended
//
// and per choice: unplaced --placement--> asked --admission--> admitted --finished--> done. A refused choice,
// or one whose worker is lost before anything generated was handed over, goes back to unplaced and never to
// the same worker again: so a worker's node id names the attempt, and what a frozen worker says later is
// passed over. Only a worker that says itself that it lost a rank is asked again: nothing of the attempt
// follows what it said.
#include "actors/actors.hpp"

#include <deque>
#include <span>

namespace mayfly::actors {

struct run_limits {
  std::uint32_t credit = 32;                       ///< chunks of a choice on their way to the client
  std::chrono::milliseconds peer_wait{5000};       ///< for a scheduler, retention peer or worker to return
  std::chrono::milliseconds lease_wait{2000};      ///< for lease_opened
  std::chrono::milliseconds placement_wait{1000};  ///< for each scheduler's answer
  std::chrono::milliseconds admission_wait{15000}; ///< for a worker's answer: it may be amid a long step
  std::chrono::milliseconds lease_slack{5000};     ///< the lease outlives the request by this much
  std::uint32_t placement_tries = 3;               ///< schedulers asked in turn
  std::uint32_t attempts = 8;                      ///< workers tried
};

/// What a run asks of the cluster. Nothing here answers at once; false: there is no such peer now.
class run_port {
public:
  virtual ~run_port() = default;
  virtual bool open_lease(messages::lease_opening opening) = 0;
  virtual bool register_holder(messages::holder_registered holder) = 0;
  /// What was registered was not sent after all: that worker holds nothing.
  virtual void forget_holder(messages::holder_registered holder) = 0;
  virtual bool ask_placement(messages::placement_request request) = 0;
  /// True if a worker of the model reports here that is neither draining nor among `tried`.
  virtual bool sees_worker(name const& model, std::span<node_id const> tried) const = 0;
  virtual void release_placement(messages::placement_release release) = 0;
  virtual bool ask_worker(node_id worker, messages::infer infer) = 0;
  virtual void grant(node_id worker, messages::credit credit) = 0;
  virtual void cancel(node_id worker, messages::cancel cancel) = 0;
};

/// A copy under the same lease, for one attempt at one worker.
messages::infer clone(messages::infer const& prototype);

/// What a request used, for the log and the counters. Metadata.
struct run_figures {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
  std::uint32_t replays = 0;
  errc code = errc::ok; ///< how it ended: cancelled if the client left
  messages::finish_reason reason = messages::finish_reason::none; ///< of the first choice that finished
  deadline submitted{};
  deadline first_chunk{}; ///< zero: none was handed over
  deadline ended{};
};

class generation_run {
public:
  /// `request.choices` holds at least one infer. `port` outlives the run.
  generation_run(generation request, run_limits const& limits, run_port& port, node_id gateway, deadline now);

  void start(deadline now);
  void on_lease_opened(messages::lease_opened const& opened, deadline now);
  void on_placement(messages::placement const& placement, deadline now);
  void on_admission(node_id worker, messages::admission const& admission, deadline now);
  void on_chunk(node_id worker, std::shared_ptr<messages::output_chunk const> const& chunk, deadline now);
  void on_finished(node_id worker, messages::finished const& finished, deadline now);
  /// The link broke or the process ended.
  void on_worker_lost(node_id worker, deadline now);
  void on_chunks_taken(std::uint32_t choice, std::uint32_t chunks);
  /// The retention actor forces the lease: the request ends with deadline_exceeded.
  void on_lease_forced(deadline now);
  /// The gateway's process ends: the request ends with `draining`.
  void interrupt(deadline now);
  /// The client left: no event follows.
  void abandon(deadline now);
  void on_tick(deadline now);

  bool ended() const noexcept { return phase_ == phase::ended; }
  /// True if retention was told of the request, so that it must be told of its end.
  bool lease_asked() const noexcept { return lease_asked_; }
  run_figures const& figures() const noexcept { return figures_; }
  generation const& request() const noexcept { return request_; }
  name const& model() const noexcept { return model_; }
  messages::sampling const& parameters() const noexcept { return parameters_; }

private:
  enum class phase : std::uint8_t { opening, answering, ended };
  enum class choice_phase : std::uint8_t { unplaced, asked, admitted, done };
  struct choice_state {
    choice_phase phase = choice_phase::unplaced;
    node_id worker;
    std::uint32_t next_sequence = 0;
    std::uint32_t taken = 0; ///< chunks not yet granted again
    std::uint32_t tokens = 0;
    deadline admission_until{};
  };
  struct held_event {
    std::uint32_t choice;
    answer_event event;
  };

  choice_state* choice_at(node_id worker, std::uint32_t choice);
  bool runs_at(node_id worker) const;
  /// What comes goes on at once; else it is held.
  bool passes_on() const noexcept { return started_ && request_.streams; }
  /// Why a worker refused, where one did.
  error refusal_or(error otherwise) const noexcept {
    return last_refusal_.code != errc::ok ? last_refusal_ : otherwise;
  }
  bool lease_pending() const noexcept { return phase_ == phase::opening && lease_asked_; }
  void open(deadline now);
  void seek_worker(deadline now);
  void dispatch(node_id worker, deadline now);
  bool ask(std::uint32_t choice, node_id worker, deadline now);
  void refuse(node_id worker, messages::admission const& admission, deadline now);
  void leave_worker(node_id worker, error cause, deadline now);
  void await_group(node_id worker, std::uint32_t choice, deadline now);
  void start_answer();
  void hand_over(std::uint32_t choice, answer_event event, deadline now);
  void emit(answer_event event, deadline now);
  void emit_held(deadline now);
  void complete_if_done(deadline now);
  void stall(deadline now);
  void fail(error failure, deadline now);
  void end(errc code, deadline now);
  void release(node_id worker);
  void check_waits(deadline now);

  generation request_;
  run_limits limits_;
  run_port* port_;
  node_id gateway_;
  name model_;
  messages::sampling parameters_;
  std::vector<choice_state> choices_;
  phase phase_ = phase::opening;
  bool lease_asked_ = false;
  bool started_ = false;     ///< answer_started went out
  bool handed_over_ = false; ///< text went out: no replay from here on
  bool placing_ = false;     ///< a placement is awaited
  std::uint32_t placement_tries_ = 0;
  std::uint32_t attempts_ = 0;
  std::vector<node_id> excluded_;
  std::deque<held_event> held_; ///< until every choice is admitted, or, unless it streams, all is done
  error last_refusal_{errc::ok, "", 0};
  deadline waits_until_{}; ///< for lease or placement
  deadline stalled_until_{};
  run_figures figures_;
};

} // namespace mayfly::actors
