#include "gpu/engine/paged_engine.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace mayfly::gpu {
namespace {

constexpr std::uint32_t largest_drawn_vocabulary = (1U << 20U) - 1; // backend::draw's precondition

engine_limits bounded(engine_limits limits, kv_shape const& shape) {
  limits.step.sequences = std::min(limits.step.sequences, limits.step.tokens);
  auto const room = std::uint64_t{shape.blocks} * shape.block_tokens;
  limits.context_tokens = static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.context_tokens, room));
  return limits;
}

result<void> check_tokens(std::span<token_id const> tokens, std::uint32_t vocabulary, literal what) {
  auto const outside = std::find_if(tokens.begin(), tokens.end(), [vocabulary](token_id token) {
    return token < 0 || static_cast<std::uint32_t>(token) >= vocabulary;
  });
  if (outside != tokens.end()) return error{errc::invalid_request, what, outside - tokens.begin()};
  return {};
}

} // namespace

paged_engine::paged_engine(engine_parts parts, engine_limits const& limits)
    : executor_(std::move(parts)), limits_(bounded(limits, executor_.shape())), pool_(executor_),
      batcher_(pool_, limits_.step), sampler_(vocabulary_size()),
      logits_row_(ephemeral_buffer<float>::zeros(vocabulary_size())) {
  batch_tokens_.reserve(limits_.step.tokens);
  spans_.reserve(limits_.step.sequences);
  sampled_.reserve(limits_.step.sequences);
  events_.reserve(std::size_t{limits_.step.sequences} + limits_.queued);
}

paged_engine::~paged_engine() { forget_events(); }

result<void> paged_engine::check(sequence_request const& request) const {
  auto const vocabulary = vocabulary_size();
  if (request.prompt.empty()) return error{errc::invalid_request, "the prompt has no tokens", 0};
  if (request.max_tokens == 0) return error{errc::invalid_request, "max_tokens is out of range", 0};
  if (auto const valid = validate(request.sampling, request.bias.reveal(), vocabulary); !valid) return valid;
  if (auto const valid = check_tokens(request.prompt.reveal(), vocabulary,
                                      "a token of the prompt is outside the vocabulary");
      !valid)
    return valid;
  if (auto const valid =
          check_tokens(request.stop_tokens.reveal(), vocabulary, "a stop token is outside the vocabulary");
      !valid)
    return valid;
  if (request.prompt.size() >= limits_.context_tokens)
    return error{errc::context_length_exceeded, "the prompt leaves no room for a token",
                 static_cast<std::int64_t>(limits_.context_tokens)};
  if (table_.size() >= std::size_t{limits_.step.sequences} + limits_.queued)
    return error{errc::overloaded, "the engine's queues are full", static_cast<std::int64_t>(table_.size())};
  return {};
}

result<sequence_handle> paged_engine::submit(sequence_request request) {
  if (auto const valid = check(request); !valid) return valid.failure();
  auto const handle = next_handle_++;
  try {
    auto subject = std::make_unique<sequence>(handle, std::move(request), limits_.context_tokens);
    auto const& entered = *table_.emplace(handle, std::move(subject)).first->second;
    batcher_.enter(entered);
  } catch (std::bad_alloc const&) {
    table_.erase(handle);
    return error{errc::out_of_memory, "no memory for another sequence", 0};
  }
  return handle;
}

void paged_engine::grant(sequence_handle handle, std::uint32_t tokens) {
  if (auto const known = table_.find(handle); known != table_.end()) known->second->add_credit(tokens);
}

std::size_t paged_engine::cancel(sequence_handle handle) {
  auto const known = table_.find(handle);
  if (known == table_.end()) return 0;
  auto& subject = *known->second;
  for (auto& event : events_) {
    if (event.sequence != handle) continue;
    wipe(&event.token, sizeof event.token);
    event.top.clear();
  }
  subject.wiped_bytes += pool_.release(subject.blocks);
  forget_logits();
  auto const host_bytes = subject.wipe();
  auto const confirmed = executor_.synchronize_device();
  if (!confirmed) kv_in_doubt_ = true;
  (void)executor_.settle(); // a group that failed shows in the next step
  auto const bytes = host_bytes + (confirmed ? subject.wiped_bytes : 0);
  batcher_.leave(subject);
  table_.erase(known);
  return bytes;
}

bool paged_engine::has_work() const noexcept {
  return std::any_of(table_.begin(), table_.end(),
                     [](auto const& entry) { return entry.second->has_credit(); });
}

std::span<sequence_event> paged_engine::step() {
  forget_events();
  try {
    if (auto const advanced = advance(); !advanced) fail_all(advanced.failure());
  } catch (std::bad_alloc const&) {
    fail_all({errc::out_of_memory, "no memory for a step", 0});
  }
  return events_;
}

result<void> paged_engine::advance() {
  if (kv_in_doubt_) {
    bool const used = std::ranges::any_of(table_, [](auto const& entry) { return entry.second->running; });
    if (used) return error{errc::backend_failed, "the device failed a wipe", 0};
    if (auto const wiped = pool_.wipe_all(); !wiped) return wiped;
    kv_in_doubt_ = false;
  }
  auto const plan = batcher_.plan(table_, totals_.steps + 1);
  if (plan.empty()) return {};
  ++totals_.steps;
  auto const* logits = compute(plan);
  if (auto const computed = executor_.synchronize(); !computed) return computed;
  for (auto const& share : plan) {
    auto& counter =
        share.subject->generated() > 0 && share.tokens == 1 ? totals_.decode_tokens : totals_.prefill_tokens;
    counter += share.tokens;
  }
  if (auto const sampled = sample(plan, logits); !sampled) return sampled;
  return retire();
}

float const* paged_engine::compute(std::span<planned const> plan) {
  batch_tokens_.resize(0);
  spans_.clear();
  sampled_.clear();
  for (auto const& share : plan) {
    auto const& subject = *share.subject;
    auto const first = static_cast<std::uint32_t>(batch_tokens_.size());
    batch_tokens_.append(subject.tokens.reveal().subspan(subject.computed, share.tokens));
    spans_.push_back({first, share.tokens, static_cast<std::uint32_t>(subject.computed), subject.blocks});
    if (share.samples()) sampled_.push_back(first + share.tokens - 1);
  }
  return executor_.forward({batch_tokens_.reveal(), spans_, sampled_});
}

result<void> paged_engine::sample(std::span<planned const> plan, float const* logits) {
  if (auto const drawn = draw_on_device(plan, logits); !drawn) return drawn;
  std::size_t row = 0;
  for (auto const& share : plan) {
    bool const samples = share.samples(); // before the share counts as computed
    batcher_.advance(share);
    if (!samples) continue;
    auto const drawn = drawn_.empty() ? token_id{0} : drawn_.reveal()[row];
    auto const sampled = sample_row(*share.subject, logits + row * vocabulary_size(), drawn);
    if (!sampled) return sampled;
    ++row;
  }
  return {};
}

/// Draws a token for every sampled row, where the device can and any sequence is content with what it can.
result<void> paged_engine::draw_on_device(std::span<planned const> plan, float const* logits) {
  drawn_.resize(0);
  draws_.resize(0);
  auto& device = executor_.device();
  if (!device.draws() || vocabulary_size() > largest_drawn_vocabulary) return {};
  bool wanted = false;
  for (auto const& share : plan) {
    if (!share.samples()) continue;
    auto const& state = share.subject->sampling;
    auto const& asked = state.parameters();
    bool const device_does = !state.needs_logits();
    wanted = wanted || device_does;
    // A row that the host samples goes along as the cheapest there is.
    draws_.push_back(
        {device_does ? asked.temperature : 0.0F, asked.top_p, asked.top_k, asked.min_p, state.share()});
  }
  if (!wanted) return {};
  drawn_.resize(draws_.size());
  device.draw(logits, vocabulary_size(), draws_.reveal(), drawn_.reveal());
  return executor_.synchronize_device();
}

/// Makes one token's event. Only the backend's failure is an error: a row that is no distribution fails its
/// sequence alone.
result<void> paged_engine::sample_row(sequence& subject, float const* logits, token_id on_device) {
  bool const has_token = !drawn_.empty() && !subject.sampling.needs_logits();
  result<sampled_token> drawn = sampled_token{};
  if (!has_token) {
    executor_.device().download(logits, logits_row_.reveal());
    if (auto const arrived = executor_.synchronize_device(); !arrived) return arrived;
    drawn = sampler_.sample(logits_row_.reveal(), subject.sampling);
  } else if (on_device < 0) {
    drawn = error{errc::backend_failed, "the model's logits are not finite", 0};
  } else {
    drawn->token.token = on_device;
  }
  auto& event = events_.emplace_back();
  event.sequence = subject.handle;
  if (!drawn) {
    event.finish = finish_reason::failed;
    event.failure = drawn.failure();
    return {};
  }
  auto& token = drawn->token;
  if (subject.stops_at(token.token)) {
    event.finish = finish_reason::stop;
  } else {
    subject.add(token.token);
    subject.spend_credit();
    event.has_token = true;
    event.token = token;
    event.top = std::move(drawn->top);
    if (subject.tokens.size() >= subject.token_limit) event.finish = finish_reason::length;
  }
  wipe(&token, sizeof token);
  return {};
}

/// Wipes and forgets the sequences that this step's events end.
result<void> paged_engine::retire() {
  auto const ended = [](sequence_event const& event) { return event.finish != finish_reason::none; };
  if (std::none_of(events_.begin(), events_.end(), ended)) return {};
  for (auto const& event : events_) {
    if (!ended(event)) continue;
    auto& subject = *table_.at(event.sequence);
    subject.wiped_bytes += pool_.release(subject.blocks);
  }
  forget_logits();
  if (auto const wiped = executor_.synchronize(); !wiped) return wiped;
  for (auto& event : events_) {
    if (!ended(event)) continue;
    auto const known = table_.find(event.sequence);
    event.wiped_bytes = known->second->wiped_bytes + known->second->wipe();
    batcher_.leave(*known->second);
    table_.erase(known);
  }
  return {};
}

/// Ends every sequence. KV bytes count as wiped only if the backend confirms it.
void paged_engine::fail_all(error const& failure) {
  forget_events();
  for (auto& [handle, subject] : table_) subject->wiped_bytes += pool_.release(subject->blocks);
  executor_.wipe({}, wipe_extent::activations);
  wipe(logits_row_.reveal().data(), logits_row_.size_bytes());
  sampler_.wipe();
  drawn_.resize(0);
  draws_.resize(0);
  batch_tokens_.resize(0);
  kv_in_doubt_ = !pool_.wipe_all();
  for (auto& [handle, subject] : table_) {
    auto& event = events_.emplace_back();
    event.sequence = handle;
    event.finish = finish_reason::failed;
    event.failure = failure;
    event.wiped_bytes = subject->wipe() + (kv_in_doubt_ ? 0 : subject->wiped_bytes);
    batcher_.leave(*subject);
  }
  table_.clear();
}

void paged_engine::forget_events() {
  for (auto& event : events_) wipe(&event.token, sizeof event.token);
  events_.clear();
}

/// What the last steps left of sequences outside their own memory: rows of logits, their tokens; on the
/// device, all that `extent` says.
void paged_engine::forget_logits(wipe_extent extent) {
  executor_.wipe({}, extent);
  wipe(logits_row_.reveal().data(), logits_row_.size_bytes());
  sampler_.wipe();
  drawn_.resize(0);
  draws_.resize(0);
  batch_tokens_.resize(0);
}

void paged_engine::scrub() {
  forget_events();
  forget_logits(wipe_extent::everything);
  if (!executor_.synchronize_device()) kv_in_doubt_ = true;
  (void)executor_.settle();
  wipe_stack();
}

engine_figures paged_engine::figures() const noexcept {
  auto figures = totals_;
  for (auto const& [handle, subject] : table_) ++(subject->running ? figures.running : figures.waiting);
  figures.kv_blocks = pool_.total();
  figures.kv_blocks_free = pool_.free();
  figures.kv_block_tokens = pool_.block_tokens();
  figures.preemptions = batcher_.preemptions();
  figures.weight_bytes = executor_.network().weight_bytes();
  figures.kv_bytes = executor_.shape().blocks * executor_.shape().block_bytes();
  figures.device_bytes = executor_.device_bytes();
  figures.model_fingerprint = executor_.fingerprint();
  figures.step_tokens = limits_.step.tokens;
  return figures;
}

} // namespace mayfly::gpu
