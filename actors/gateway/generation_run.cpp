#include "actors/gateway/generation_run.hpp"

#include <limits>

namespace mayfly::actors {
namespace {

std::chrono::milliseconds time_left(deadline until, deadline now) {
  auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now);
  return std::max(left, std::chrono::milliseconds(0));
}

/// The words for a code that came over the wire without any.
error error_of(std::uint16_t code, std::int64_t number) {
  switch (static_cast<errc>(code)) {
  case errc::context_length_exceeded:
    return {errc::context_length_exceeded, "prompt and max_tokens exceed the model's context", number};
  case errc::invalid_request:
    return {errc::invalid_request, "the worker cannot run these parameters", number};
  case errc::model_not_found:
  case errc::no_worker:
    return {errc::no_worker, "no ready worker serves the model", number};
  case errc::overloaded:
    return {errc::overloaded, "every worker's queue is full", 1};
  case errc::draining:
    return {errc::no_worker, "every worker of the model is draining", number};
  case errc::retention_refused:
    return {errc::retention_refused, "the retention policy cannot be met", number};
  case errc::deadline_exceeded:
    return {errc::deadline_exceeded, "the request's deadline passed", number};
  case errc::backend_failed:
    return {errc::worker_lost, "the worker's backend failed", number};
  default:
    return {errc::unavailable, "a part of the cluster refused the request", number};
  }
}

constexpr error lost{errc::worker_lost, "the worker was lost", 0};
constexpr error late{errc::deadline_exceeded, "the request's deadline passed", 0};

} // namespace

messages::infer clone(messages::infer const& prototype) {
  messages::infer copy;
  copy.request = prototype.request;
  copy.choice = prototype.choice;
  copy.model = prototype.model;
  copy.account = prototype.account;
  copy.priority = prototype.priority;
  copy.time_left = prototype.time_left;
  copy.credit = prototype.credit;
  copy.kind = prototype.kind;
  for (auto const& message : prototype.messages)
    copy.messages.push_back({message.role, message.content.clone(), message.author.clone()});
  copy.prompt = prototype.prompt.clone();
  copy.prompt_tokens = prototype.prompt_tokens.clone();
  for (auto const& text : prototype.stop) copy.stop.push_back(text.clone());
  copy.bias = prototype.bias.clone();
  copy.parameters = prototype.parameters;
  copy.echo = prototype.echo;
  return copy;
}

generation_run::generation_run(generation request, run_limits const& limits, run_port& port, node_id gateway,
                               deadline now)
    : request_(std::move(request)), limits_(limits), port_(&port), gateway_(gateway) {
  choices_.resize(request_.choices.size());
  if (!choices_.empty()) {
    model_ = request_.choices.front().model;
    parameters_ = request_.choices.front().parameters;
  }
  figures_.submitted = now;
}

void generation_run::start(deadline now) {
  if (choices_.empty()) return fail({errc::invalid_request, "a request without choices", 0}, now);
  if (now >= request_.ends_at) return fail(late, now);
  open(now);
}

void generation_run::open(deadline now) {
  messages::lease_opening opening;
  opening.request = request_.request;
  opening.account = request_.account;
  opening.model = model_;
  opening.policy = request_.policy;
  opening.time_left = time_left(request_.ends_at, now) + limits_.lease_slack;
  opening.gateway = gateway_;
  if (!port_->open_lease(std::move(opening))) return stall(now);
  lease_asked_ = true;
  waits_until_ = now + limits_.lease_wait;
}

void generation_run::on_lease_opened(messages::lease_opened const& opened, deadline now) {
  if (phase_ != phase::opening) return;
  if (opened.code != 0) return fail(error_of(opened.code, 0), now);
  phase_ = phase::answering;
  stalled_until_ = {};
  seek_worker(now);
}

void generation_run::seek_worker(deadline now) {
  if (phase_ != phase::answering || placing_) return;
  messages::placement_request wanted;
  std::uint64_t prompt = 0;
  std::uint64_t output = 0;
  for (std::size_t index = 0; index < choices_.size(); ++index) {
    if (choices_[index].phase != choice_phase::unplaced) continue;
    prompt += std::max(request_.estimated_prompt_tokens, 1U);
    output += request_.choices[index].parameters.max_tokens;
  }
  if (prompt == 0) return;
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  wanted.request = request_.request;
  wanted.model = model_;
  wanted.account = request_.account;
  wanted.estimated_prompt_tokens = static_cast<std::uint32_t>(std::min(prompt, most));
  wanted.max_tokens = static_cast<std::uint32_t>(std::min(output, most));
  wanted.excluded = excluded_;
  if (!port_->ask_placement(std::move(wanted))) return stall(now);
  placing_ = true;
  ++placement_tries_;
  waits_until_ = now + limits_.placement_wait;
}

void generation_run::on_placement(messages::placement const& placement, deadline now) {
  bool const wanted = phase_ == phase::answering && placing_;
  if (!wanted) {
    // A second answer, from a scheduler that was given up on: its count of that worker must not stay. One
    // that names a worker in use here shares its entry, and is released with it.
    if (placement.code == 0 && !runs_at(placement.worker))
      port_->release_placement({request_.request, placement.worker});
    return;
  }
  placing_ = false;
  placement_tries_ = 0;
  if (placement.code != 0) {
    auto const why = error_of(placement.code, 0);
    bool const passing = last_refusal_.code == errc::worker_lost || last_refusal_.code == errc::no_worker;
    last_refusal_ = passing && why.code == errc::overloaded ? why : refusal_or(why);
    // A scheduler that just started, or was just linked, may not have heard of a worker that reports here;
    // and a worker that was lost amid this request is restarted by its supervisor.
    bool const comes = figures_.replays != 0 || port_->sees_worker(model_, excluded_);
    bool const waits = placement.code == static_cast<std::uint16_t>(errc::no_worker) && comes;
    return waits ? stall(now) : fail(last_refusal_, now);
  }
  if (std::find(excluded_.begin(), excluded_.end(), placement.worker) != excluded_.end()) {
    port_->release_placement({request_.request, placement.worker});
    return stall(now);
  }
  dispatch(placement.worker, now);
}

void generation_run::dispatch(node_id worker, deadline now) {
  if (++attempts_ > limits_.attempts) {
    port_->release_placement({request_.request, worker});
    return fail(refusal_or({errc::no_worker, "no worker took the request", attempts_}), now);
  }
  for (std::uint32_t index = 0; index < choices_.size(); ++index) {
    if (choices_[index].phase != choice_phase::unplaced) continue;
    if (!ask(index, worker, now)) break;
  }
  if (!runs_at(worker)) port_->release_placement({request_.request, worker});
  bool const unplaced = std::any_of(choices_.begin(), choices_.end(), [](auto const& choice) {
    return choice.phase == choice_phase::unplaced;
  });
  if (unplaced) return stall(now);
  stalled_until_ = {};
}

/// Registration goes first: no content leaves without a lease that names its holder.
bool generation_run::ask(std::uint32_t index, node_id worker, deadline now) {
  if (!port_->register_holder({request_.request, worker, index})) return false;
  auto copy = clone(request_.choices[index]);
  copy.request = request_.request;
  copy.choice = index;
  copy.credit = limits_.credit;
  copy.time_left = time_left(request_.ends_at, now);
  if (!port_->ask_worker(worker, std::move(copy))) {
    port_->forget_holder({request_.request, worker, index});
    excluded_.push_back(worker);
    return false;
  }
  auto& choice = choices_[index];
  choice = {};
  choice.phase = choice_phase::asked;
  choice.worker = worker;
  choice.admission_until = now + limits_.admission_wait;
  return true;
}

generation_run::choice_state* generation_run::choice_at(node_id worker, std::uint32_t choice) {
  if (phase_ != phase::answering || choice >= choices_.size()) return nullptr;
  auto& state = choices_[choice];
  bool const here =
      state.worker == worker && (state.phase == choice_phase::asked || state.phase == choice_phase::admitted);
  return here ? &state : nullptr;
}

bool generation_run::runs_at(node_id worker) const {
  return std::any_of(choices_.begin(), choices_.end(), [&](auto const& choice) {
    return choice.worker == worker &&
           (choice.phase == choice_phase::asked || choice.phase == choice_phase::admitted);
  });
}

void generation_run::on_admission(node_id worker, messages::admission const& admission, deadline now) {
  auto* choice = choice_at(worker, admission.choice);
  if (choice == nullptr || choice->phase != choice_phase::asked) return;
  if (admission.code != 0) return refuse(worker, admission, now);
  choice->phase = choice_phase::admitted;
  figures_.prompt_tokens = std::max(figures_.prompt_tokens, admission.prompt_tokens);
  start_answer();
  if (passes_on()) emit_held(now);
  complete_if_done(now);
}

void generation_run::refuse(node_id worker, messages::admission const& admission, deadline now) {
  auto const problem = error_of(admission.code, admission.limit);
  bool const better = last_refusal_.code != errc::context_length_exceeded ||
                      (problem.code == last_refusal_.code && problem.number > last_refusal_.number);
  if (better) last_refusal_ = problem;
  if (problem.code == errc::invalid_request) return fail(problem, now); // the same everywhere
  if (admission.code == static_cast<std::uint16_t>(errc::no_worker) && !handed_over_) {
    --attempts_;
    return await_group(worker, admission.choice, now);
  }
  choices_[admission.choice] = {};
  if (std::find(excluded_.begin(), excluded_.end(), worker) == excluded_.end()) excluded_.push_back(worker);
  if (!runs_at(worker)) release(worker);
  if (handed_over_) return fail(problem, now); // the prompt is gone
  seek_worker(now);
}

void generation_run::start_answer() {
  if (started_) return;
  bool const all = std::all_of(choices_.begin(), choices_.end(), [](auto const& choice) {
    return choice.phase == choice_phase::admitted || choice.phase == choice_phase::done;
  });
  if (!all) return;
  started_ = true;
  request_.sink->deliver(answer_started{figures_.prompt_tokens});
}

void generation_run::on_chunk(node_id worker, std::shared_ptr<messages::output_chunk const> const& chunk,
                              deadline now) {
  auto* choice = choice_at(worker, chunk->choice);
  if (choice == nullptr || choice->phase != choice_phase::admitted) return;
  if (chunk->sequence != choice->next_sequence)
    return leave_worker(worker, lost, now); // a frame went missing
  ++choice->next_sequence;
  choice->tokens += chunk->tokens;
  hand_over(chunk->choice, chunk, now);
  if (!request_.streams) on_chunks_taken(chunk->choice, 1); // bounded by max_tokens and the context
}

void generation_run::on_finished(node_id worker, messages::finished const& finished, deadline now) {
  auto* choice = choice_at(worker, finished.choice);
  if (choice == nullptr) return;
  using messages::finish_reason;
  if (finished.reason != finish_reason::stop && finished.reason != finish_reason::length) {
    bool const overdue = finished.code == static_cast<std::uint16_t>(errc::deadline_exceeded);
    if (overdue || now >= request_.ends_at) return fail(late, now);
    if (finished.code == static_cast<std::uint16_t>(errc::worker_lost) && !handed_over_) {
      ++figures_.replays;
      return await_group(worker, finished.choice, now);
    }
    choice->phase = choice_phase::unplaced; // it holds nothing any more: no cancel is due
    choice->worker = {};
    return leave_worker(worker, finished.code != 0 ? error_of(finished.code, 0) : lost, now);
  }
  choice->phase = choice_phase::done;
  choice->worker = {};
  if (figures_.reason == finish_reason::none) figures_.reason = finished.reason;
  figures_.prompt_tokens = std::max(figures_.prompt_tokens, finished.prompt_tokens);
  figures_.completion_tokens += finished.completion_tokens;
  if (!runs_at(worker)) release(worker);
  hand_over(
      finished.choice,
      choice_finished{finished.choice, finished.reason, finished.prompt_tokens, finished.completion_tokens},
      now);
  start_answer(); // a choice may finish while another waits for its admission
  complete_if_done(now);
}

void generation_run::hand_over(std::uint32_t choice, answer_event event, deadline now) {
  if (passes_on()) return emit(std::move(event), now);
  held_.push_back({choice, std::move(event)});
}

void generation_run::emit_held(deadline now) {
  while (!held_.empty() && phase_ == phase::answering) {
    auto next = std::move(held_.front());
    held_.pop_front();
    emit(std::move(next.event), now);
  }
}

void generation_run::emit(answer_event event, deadline now) {
  if (!handed_over_ && std::holds_alternative<std::shared_ptr<messages::output_chunk const>>(event)) {
    handed_over_ = true;
    figures_.first_chunk = now;
    request_.choices.clear(); // the prompt has done its duty: wiped here
  }
  request_.sink->deliver(std::move(event));
}

void generation_run::complete_if_done(deadline now) {
  if (phase_ != phase::answering) return;
  bool const all = std::all_of(choices_.begin(), choices_.end(),
                               [](auto const& choice) { return choice.phase == choice_phase::done; });
  if (!all) return;
  emit_held(now);
  request_.sink->deliver(answer_complete{});
  end(errc::ok, now);
}

void generation_run::on_worker_lost(node_id worker, deadline now) {
  if (phase_ == phase::answering && runs_at(worker)) leave_worker(worker, lost, now);
}

/// The worker stands, but a rank of its group is lost: the choice runs again, there once the group is formed
/// anew, or elsewhere. Its other choices tell of themselves.
void generation_run::await_group(node_id worker, std::uint32_t index, deadline now) {
  choices_[index] = {};
  std::erase_if(held_, [&](auto const& held) { return held.choice == index; });
  if (!runs_at(worker)) release(worker);
  last_refusal_ = lost;
  stall(now); // the next beat asks for a place
}

/// Replays what ran at `worker` elsewhere, or fails the request where text went out already.
void generation_run::leave_worker(node_id worker, error cause, deadline now) {
  if (handed_over_) return fail(cause, now);
  if (runs_at(worker)) port_->cancel(worker, {request_.request});
  for (std::uint32_t index = 0; index < choices_.size(); ++index) {
    auto& choice = choices_[index];
    if (choice.worker != worker || choice.phase == choice_phase::done) continue;
    choice = {};
  }
  std::erase_if(held_,
                [&](auto const& held) { return choices_[held.choice].phase == choice_phase::unplaced; });
  if (std::find(excluded_.begin(), excluded_.end(), worker) == excluded_.end()) excluded_.push_back(worker);
  release(worker);
  ++figures_.replays;
  last_refusal_ = cause;
  seek_worker(now);
}

void generation_run::on_chunks_taken(std::uint32_t index, std::uint32_t chunks) {
  if (phase_ != phase::answering || index >= choices_.size()) return;
  auto& choice = choices_[index];
  if (choice.phase != choice_phase::admitted) return;
  choice.taken += chunks;
  if (choice.taken * 4 < limits_.credit) return; // a quarter of the window at a time: fewer messages
  port_->grant(choice.worker, {request_.request, index, choice.taken});
  choice.taken = 0;
}

void generation_run::on_lease_forced(deadline now) {
  if (!ended()) fail(late, now);
}

void generation_run::interrupt(deadline now) {
  if (!ended()) fail({errc::draining, "the gateway's process ends", 0}, now);
}

void generation_run::abandon(deadline now) {
  if (!ended()) end(errc::cancelled, now);
}

void generation_run::on_tick(deadline now) {
  if (ended()) return;
  if (now >= request_.ends_at) return fail(late, now);
  check_waits(now);
  if (ended()) return;
  if (phase_ == phase::opening && !lease_asked_) return open(now);
  if (phase_ == phase::answering) seek_worker(now);
}

void generation_run::check_waits(deadline now) {
  if (!placing_ && !lease_pending() && stalled_until_ != deadline{} && now >= stalled_until_) {
    return fail(refusal_or({errc::unavailable, "a part of the cluster is missing", 0}), now);
  }
  if (lease_pending() && now >= waits_until_)
    return fail({errc::unavailable, "retention does not answer", 0}, now);
  if (placing_ && now >= waits_until_) {
    placing_ = false; // on_tick asks the next scheduler
    if (placement_tries_ >= limits_.placement_tries)
      return fail({errc::unavailable, "no scheduler answers", placement_tries_}, now);
  }
  for (auto const& choice : choices_)
    if (choice.phase == choice_phase::asked && now >= choice.admission_until)
      return leave_worker(choice.worker, lost, now);
}

void generation_run::stall(deadline now) {
  if (stalled_until_ == deadline{}) stalled_until_ = now + limits_.peer_wait;
}

void generation_run::fail(error failure, deadline now) {
  if (ended()) return;
  request_.sink->deliver(answer_failed{failure});
  end(failure.code, now);
}

void generation_run::end(errc code, deadline now) {
  std::vector<node_id> told;
  for (auto& choice : choices_) {
    bool const runs = choice.phase == choice_phase::asked || choice.phase == choice_phase::admitted;
    if (code != errc::ok) figures_.completion_tokens += runs ? choice.tokens : 0;
    if (!runs || std::find(told.begin(), told.end(), choice.worker) != told.end()) continue;
    told.push_back(choice.worker);
    port_->cancel(choice.worker, {request_.request});
    release(choice.worker);
  }
  phase_ = phase::ended;
  figures_.code = code;
  figures_.ended = now;
  held_.clear();
  request_.choices.clear();
  request_.sink.reset();
}

void generation_run::release(node_id worker) { port_->release_placement({request_.request, worker}); }

} // namespace mayfly::actors
