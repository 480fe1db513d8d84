#include "actors/worker/model_runner.hpp"

#include "actors/worker/admission.hpp"

namespace mayfly::actors {
namespace {

using messages::finish_reason;

/// How long a lost gateway's last `finished` messages are said again to retention.
constexpr std::chrono::seconds told_memory{10};
constexpr std::size_t most_told = 8192;

gpu::sampling_parameters sampling_of(messages::sampling const& asked) {
  gpu::sampling_parameters sampling;
  sampling.temperature = asked.temperature;
  sampling.top_p = asked.top_p;
  sampling.top_k = asked.top_k;
  sampling.min_p = asked.min_p;
  sampling.repetition_penalty = asked.repetition_penalty;
  sampling.frequency_penalty = asked.frequency_penalty;
  sampling.presence_penalty = asked.presence_penalty;
  sampling.seed = asked.seed;
  sampling.logprobs = asked.logprobs;
  sampling.top_logprobs = asked.top_logprobs;
  return sampling;
}

std::uint64_t content_bytes_of(messages::infer const& request) {
  std::uint64_t bytes =
      request.prompt.size_bytes() + request.prompt_tokens.size_bytes() + request.bias.size_bytes();
  for (auto const& message : request.messages)
    bytes += message.content.size_bytes() + message.author.size_bytes();
  for (auto const& text : request.stop) bytes += text.size_bytes();
  return bytes;
}

std::chrono::microseconds between(deadline begin, deadline end) {
  if (begin == deadline{} || end < begin) return std::chrono::microseconds(0);
  return std::chrono::duration_cast<std::chrono::microseconds>(end - begin);
}

void refuse(cluster::peer_ref const& to, request_id request, std::uint32_t choice, error const& why) {
  auto const limit = why.code == errc::context_length_exceeded ? static_cast<std::uint32_t>(why.number) : 0;
  to->send(messages::admission{request, choice, static_cast<std::uint16_t>(why.code), limit, 0});
}

} // namespace

model_runner::model_runner(worker_model model, node_id self, retention_outbox& outbox)
    : model_(std::move(model)), self_(self), outbox_(&outbox) {}

void model_runner::infer(cluster::peer_ref const& from, std::shared_ptr<messages::infer const> request,
                         deadline now) {
  auto const id = request->request;
  auto const number = request->choice;
  running_choice choice;
  choice.gateway = from;
  choice.request = id;
  choice.choice = number;
  choice.received = now;
  choice.ends_at = now + request->time_left;
  if (is_running(id, number)) return refuse(from, id, number, {errc::invalid_request, "it runs already", 0});
  if (model_.group && !model_.group->formed())
    return refuse(from, id, number, {errc::no_worker, "the group of ranks is being formed", 0});
  auto prepared = prepare(*request, choice);
  request.reset();
  if (!prepared) return refuse(from, id, number, prepared.failure());
  choice.prompt_tokens = static_cast<std::uint32_t>(prepared->prompt.size());
  auto const handle = model_.engine->submit(std::move(*prepared));
  if (!handle) return refuse(from, id, number, handle.failure());
  choice.submitted = boot_clock::now();
  try {
    admit(*handle, std::move(choice), now);
  } catch (std::exception const&) { // memory ran out, and nobody has heard of it
    (void)model_.engine->cancel(*handle);
    choices_.erase(*handle);
    throw;
  }
}

void model_runner::admit(gpu::sequence_handle handle, running_choice choice, deadline now) {
  messages::admission admitted{choice.request, choice.choice, 0, 0, choice.prompt_tokens};
  auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(choice.ends_at - now);
  auto const gateway = choice.gateway;
  choices_.emplace(handle, std::move(choice));
  if (model_.group) {
    admitted.ranks = model_.group->others();
    model_.group->hold(admitted.request, admitted.prompt_tokens, left);
  }
  gateway->send(std::move(admitted));
}

result<gpu::sequence_request> model_runner::prepare(messages::infer const& request,
                                                    running_choice& choice) const {
  auto prompt = model_.language->prepare(request, model_.engine->context_tokens());
  if (!prompt) return prompt.failure();
  auto const room =
      room_for_answer(prompt->tokens.size(), request.parameters.max_tokens, model_.engine->context_tokens());
  if (!room) return room.failure();
  gpu::sequence_request sequence;
  sequence.prompt = std::move(prompt->tokens);
  sequence.sampling = sampling_of(request.parameters);
  for (auto const& entry : request.bias.reveal()) sequence.bias.push_back({entry.token, entry.bias});
  sequence.max_tokens = *room;
  sequence.stop_tokens = ephemeral_tokens(model_.language->stop_tokens());
  sequence.ignore_stop_tokens = request.parameters.ignore_eos;
  sequence.account = request.account.value;
  sequence.priority = request.priority;
  sequence.credit = request.credit;
  choice.content_bytes = content_bytes_of(request) + sequence.prompt.size_bytes() + prompt->echo.size_bytes();
  choice.text = model_.language->open(request.stop);
  choice.ready = std::move(prompt->echo); // goes out with the first generated text: one chunk, one credit
  choice.wants_logprobs = request.parameters.logprobs;
  return sequence;
}

bool model_runner::is_running(request_id request, std::uint32_t choice) const {
  return std::any_of(choices_.begin(), choices_.end(), [&](auto const& entry) {
    return entry.second.request == request && entry.second.choice == choice;
  });
}

bool model_runner::is_running(request_id request) const {
  return std::any_of(choices_.begin(), choices_.end(),
                     [&](auto const& entry) { return entry.second.request == request; });
}

result<void> model_runner::form_group(group_offer offer) {
  auto const figures = model_.engine->figures();
  return model_.group->form(std::move(offer),
                            {figures.model_fingerprint, figures.kv_blocks, figures.kv_block_tokens,
                             figures.step_tokens, 0, model_.group->seat()->meets_on_device()});
}

void model_runner::leave_group(deadline now) {
  fail_all(errc::worker_lost, now);
  model_.group->leave();
  scrub();
}

void model_runner::end_process() {
  for (auto const& [handle, choice] : choices_) (void)model_.engine->cancel(handle);
  model_.engine->scrub();
  model_.end_process();
}

void model_runner::scrub() {
  model_.engine->scrub();
  if (!model_.engine->wiped()) end_process();
}

void model_runner::credit(messages::credit const& credit) {
  for (auto const& [handle, choice] : choices_)
    if (choice.request == credit.request && choice.choice == credit.choice)
      model_.engine->grant(handle, credit.chunks);
}

void model_runner::step(deadline now) {
  for (auto& event : model_.engine->step()) take_event(event, now);
  for (auto const handle : to_grant_) model_.engine->grant(handle, 1);
  for (auto const handle : to_cancel_)
    end_of_text(handle, finish_reason::stop, model_.engine->cancel(handle));
  to_grant_.clear();
  to_cancel_.clear();
  report_endings(wipe_report::gateway, now);
}

void model_runner::take_event(gpu::sequence_event& event, deadline now) {
  auto const at = choices_.find(event.sequence);
  if (at == choices_.end()) return;
  auto& choice = at->second;
  bool const counts = event.has_token && (event.finish == gpu::finish_reason::none ||
                                          event.finish == gpu::finish_reason::length);
  if (counts) take_token(event, choice, now);
  switch (event.finish) {
  case gpu::finish_reason::none:
    if (choice.text->stopped()) return to_cancel_.push_back(event.sequence);
    if (choice.ready.empty()) return to_grant_.push_back(event.sequence);
    return send_chunk(choice);
  case gpu::finish_reason::stop:
    return end_of_text(event.sequence, finish_reason::stop, event.wiped_bytes);
  case gpu::finish_reason::length:
    return end_of_text(event.sequence, choice.text->stopped() ? finish_reason::stop : finish_reason::length,
                       event.wiped_bytes);
  case gpu::finish_reason::cancelled:
  case gpu::finish_reason::failed:
    endings_.push_back({choices_.extract(at), finish_reason::failed, event.failure.code, event.wiped_bytes});
  }
}

void model_runner::take_token(gpu::sequence_event const& event, running_choice& choice, deadline now) {
  if (choice.completion_tokens == 0) choice.first_token = now;
  ++choice.completion_tokens;
  ++choice.unsent_tokens;
  choice.content_bytes += sizeof(token_id);
  choice.text->take(event.token.token, choice.ready);
  if (choice.wants_logprobs) choice.logprobs.push_back(weigh(event));
}

messages::token_logprob model_runner::weigh(gpu::sequence_event const& event) const {
  auto const weighed = [&](gpu::token_probability const& token) {
    messages::weighed_token out;
    model_.language->append_bytes(token.token, out.text);
    out.logprob = token.logprob;
    return out;
  };
  messages::token_logprob out;
  out.chosen = weighed(event.token);
  for (auto const& token : event.top.reveal()) out.top.push_back(weighed(token));
  return out;
}

void model_runner::send_chunk(running_choice& choice) {
  messages::output_chunk chunk;
  chunk.request = choice.request;
  chunk.choice = choice.choice;
  chunk.sequence = choice.next_sequence++;
  chunk.tokens = std::exchange(choice.unsent_tokens, 0);
  choice.content_bytes += choice.ready.size_bytes();
  chunk.text = std::exchange(choice.ready, {});
  chunk.logprobs = std::exchange(choice.logprobs, {});
  choice.gateway->send(std::move(chunk));
}

/// The sequence is over and wiped: what its text still held back goes out.
void model_runner::end_of_text(gpu::sequence_handle handle, finish_reason reason,
                               std::uint64_t engine_bytes) {
  auto const at = choices_.find(handle);
  auto& choice = at->second;
  choice.text->finish(choice.ready);
  if (!choice.ready.empty() || !choice.logprobs.empty()) send_chunk(choice);
  endings_.push_back({choices_.extract(at), reason, errc::ok, engine_bytes});
}

void model_runner::end_choice(gpu::sequence_handle handle, finish_reason reason, errc code,
                              wipe_report report, deadline now) {
  auto const bytes = model_.engine->cancel(handle);
  endings_.push_back({choices_.extract(handle), reason, code, bytes});
  report_endings(report, now);
}

/// Scratch of the step may show what has ended: it is erased before anybody is told of a wipe.
void model_runner::report_endings(wipe_report report, deadline now) {
  if (endings_.empty()) return;
  model_.engine->scrub();
  if (!model_.engine->wiped()) return end_process(); // its leases close with it
  for (auto& ended : endings_) report_ending(ended, report, now);
  endings_.clear();
}

void model_runner::report_ending(ending& ended, wipe_report report, deadline now) {
  auto& choice = ended.choice.mapped();
  messages::finished done;
  done.request = choice.request;
  done.choice = choice.choice;
  done.reason = ended.reason;
  done.code = static_cast<std::uint16_t>(ended.code);
  done.prompt_tokens = choice.prompt_tokens;
  done.completion_tokens = choice.completion_tokens;
  done.queued = between(choice.received, choice.submitted);
  done.prefill = between(choice.submitted, choice.first_token);
  done.decode = between(choice.first_token, now);
  done.wiped_bytes = choice.content_bytes + ended.engine_bytes;
  if (model_.group) done.ranks = model_.group->wiped(done.prompt_tokens + done.completion_tokens);
  // Ranks of a lost group wipe and report for themselves: a word of release would silence them.
  if (!done.ranks.empty() && !is_running(done.request)) model_.group->release(done.request);
  auto const gateway = choice.gateway;
  ended.choice = {}; // text, log probabilities, matcher: wiped here
  done.wiped_at_unix_ms = unix_milliseconds();
  std::vector<messages::holder_wiped> wipes{
      {done.request, self_, done.choice, done.wiped_bytes, done.wiped_at_unix_ms}};
  for (auto const& [rank, bytes] : done.ranks)
    wipes.push_back({done.request, rank, done.choice, bytes, done.wiped_at_unix_ms});
  if (report != wipe_report::gateway)
    for (auto const& wiped : wipes) outbox_->report(wiped);
  if (report == wipe_report::retention) return;
  gateway->send(std::move(done));
  for (auto const& wiped : wipes) told_.push_back({wiped, gateway->node(), now});
  while (told_.size() > most_told) told_.pop_front();
}

void model_runner::cancel(request_id request, wipe_report report, deadline now) {
  std::vector<gpu::sequence_handle> handles;
  for (auto const& [handle, choice] : choices_)
    if (choice.request == request) handles.push_back(handle);
  for (auto const handle : handles)
    end_choice(handle, finish_reason::cancelled, errc::cancelled, report, now);
}

void model_runner::report_nothing(request_id request) {
  outbox_->report(messages::holder_wiped{request, self_, messages::every_choice, 0, unix_milliseconds()});
}

void model_runner::gateway_lost(node_id gateway, deadline now) {
  std::vector<gpu::sequence_handle> handles;
  for (auto const& [handle, choice] : choices_)
    if (choice.gateway->node() == gateway) handles.push_back(handle);
  for (auto const handle : handles)
    end_choice(handle, finish_reason::cancelled, errc::cancelled, wipe_report::retention, now);
  std::erase_if(told_, [&](told_ending const& told) {
    if (told.gateway != gateway) return false;
    outbox_->report(told.wiped);
    return true;
  });
}

void model_runner::tick(deadline now) {
  std::vector<gpu::sequence_handle> late;
  for (auto const& [handle, choice] : choices_)
    if (now >= choice.ends_at) late.push_back(handle);
  for (auto const handle : late)
    end_choice(handle, finish_reason::failed, errc::deadline_exceeded, wipe_report::gateway, now);
  while (!told_.empty() && now - told_.front().at > told_memory) told_.pop_front();
}

void model_runner::fail_all(errc code, deadline now) {
  std::vector<gpu::sequence_handle> handles;
  for (auto const& [handle, choice] : choices_) handles.push_back(handle);
  for (auto const handle : handles)
    end_choice(handle, finish_reason::failed, code, wipe_report::gateway, now);
}

messages::model_load model_runner::load() const {
  auto const figures = model_.engine->figures();
  messages::model_load load;
  load.model = model_.model;
  load.running = figures.running;
  load.waiting = figures.waiting;
  load.max_running = model_.max_running;
  load.max_waiting = model_.max_waiting;
  load.kv_blocks = figures.kv_blocks;
  load.kv_blocks_free = figures.kv_blocks_free;
  load.kv_block_tokens = figures.kv_block_tokens;
  load.context_tokens = model_.engine->context_tokens();
  load.prefill_tokens = figures.prefill_tokens;
  load.decode_tokens = figures.decode_tokens;
  load.preemptions = figures.preemptions;
  load.weight_bytes = figures.weight_bytes;
  load.kv_bytes = figures.kv_bytes;
  load.device_bytes = figures.device_bytes;
  load.ready = !model_.group || model_.group->formed();
  return load;
}

messages::rank_report model_runner::rank() const {
  messages::rank_report rank;
  if (!model_.group) return rank;
  auto const figures = model_.engine->figures();
  rank.node = self_;
  rank.model = model_.model;
  if (model_.group->formed()) rank.leader = self_;
  rank.ranks = model_.group->ranks();
  rank.epoch = model_.group->epoch();
  rank.formed = model_.group->formed();
  rank.carrier = model_.group->carrier();
  rank.weight_bytes = figures.weight_bytes;
  rank.kv_bytes = figures.kv_bytes;
  rank.device_bytes = figures.device_bytes;
  rank.allow_unencrypted_nccl = model_.allow_unencrypted_nccl;
  return rank;
}

} // namespace mayfly::actors
