#include "actors/worker/shard_thread.hpp"

#include "actors/worker/rank_messages.hpp"

#include <exception>
#include <poll.h>

namespace mayfly::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto look_around = 50ms;      ///< between looks at what the other threads want
constexpr auto rank_0_patience = 500ms; ///< for rank 0 to order a wipe that is due
constexpr auto lease_grace = 1000ms;    ///< its own clock may run behind this one

} // namespace

void rank_holdings::hold(messages::rank_holds const& word, deadline now) {
  auto& one = held_[word.request];
  one.prompt_tokens += word.prompt_tokens;
  one.ends_at = std::max(one.ends_at, now + word.time_left);
}

std::optional<request_id> rank_holdings::overdue(deadline now) const {
  for (auto const& [request, one] : held_)
    if (now >= one.ends_at + lease_grace) return request;
  return std::nullopt;
}

std::vector<messages::holder_wiped> rank_holdings::forget(node_id self, std::size_t block_bytes,
                                                          std::uint32_t block_tokens,
                                                          std::int64_t now_unix_ms) {
  std::vector<messages::holder_wiped> wipes;
  for (auto const& [request, one] : held_) {
    auto const blocks = (std::uint64_t{one.prompt_tokens} + block_tokens - 1) / block_tokens;
    wipes.push_back({request, self, messages::every_choice, blocks * block_bytes, now_unix_ms});
  }
  held_.clear();
  return wipes;
}

shard_thread::shard_thread(shard_model model, node_id self, retention_outbox& outbox,
                           std::shared_ptr<engine_pulse> pulse, want_group wants)
    : model_(std::move(model)), self_(self), outbox_(&outbox), pulse_(std::move(pulse)),
      wants_(std::move(wants)) {
  auto const figures = model_.engine->figures();
  report_.node = self_;
  report_.model = model_.model;
  report_.rank = model_.seat->rank();
  report_.ranks = model_.seat->size();
  report_.weight_bytes = figures.weight_bytes;
  report_.kv_bytes = figures.kv_bytes;
  report_.device_bytes = figures.device_bytes;
  report_.allow_unencrypted_nccl = model_.allow_unencrypted_nccl;
  thread_ = std::thread([this] { loop(); });
}

shard_thread::~shard_thread() {
  {
    std::lock_guard const lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  model_.seat->abort(); // it may wait for the others
  thread_.join();
}

void shard_thread::form(std::shared_ptr<group_offer> offer) {
  std::lock_guard const lock(mutex_);
  offer_ = std::move(offer);
  wake_.notify_one();
}

void shard_thread::leave(std::uint64_t epoch) {
  std::lock_guard const lock(mutex_);
  ended_epoch_ = std::max(ended_epoch_, epoch);
}

bool shard_thread::force(request_id request, bool over) {
  std::lock_guard const lock(mutex_);
  // Amid an order it may not have read yet what it holds; retention asks again.
  if (!holdings_.holds(request)) return over && pulse_->busy_since != 0;
  if (!over) forced_.try_emplace(request, boot_clock::now() + rank_0_patience);
  return true;
}

messages::rank_report shard_thread::report() const {
  std::lock_guard const lock(mutex_);
  return report_;
}

void shard_thread::loop() {
  wants_(model_.model, 0, {});
  while (await_group()) {
    follow();
    part();
  }
}

bool shard_thread::await_group() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || offer_; });
  if (stopping_) return false;
  auto offer = std::move(*std::exchange(offer_, nullptr));
  leader_ = std::move(offer.channels.front());
  if (!model_.seat->meets_on_device()) model_.seat->take(std::move(offer.collective));
  report_.epoch = offer.epoch;
  report_.leader = offer.nodes.front();
  report_.carrier = offer.carrier;
  report_.formed = !model_.seat->meets_on_device();
  return true;
}

/// Obeys rank 0 until the group ends.
void shard_thread::follow() {
  auto const figures = model_.engine->figures();
  messages::rank_shape const shape{figures.model_fingerprint,       figures.kv_blocks,
                                   figures.kv_block_tokens,         figures.step_tokens,
                                   model_.engine->kv_block_bytes(), model_.seat->meets_on_device()};
  if (!send_to_rank(*leader_, shape, boot_clock::now() + rank_patience)) return;
  if (model_.seat->meets_on_device() && !meet_on_device()) return;
  while (!must_leave(boot_clock::now()) && take_next(boot_clock::now() + look_around)) {
  }
}

/// Rank 0 says how once it has heard of every rank.
bool shard_thread::meet_on_device() {
  auto const word = expect_from_rank<messages::rank_meeting>(*leader_, boot_clock::now() + 2 * rank_patience);
  leader_->scrub();
  auto const given_up = [this] {
    pollfd watched{leader_->descriptor(), POLLRDHUP, 0}; // rank 0 may have met all, and ordered a step
    return must_leave(boot_clock::now()) || ::poll(&watched, 1, 0) > 0;
  };
  if (!word || !model_.seat->meet(word->meeting.reveal(), rank_patience, given_up)) return false;
  std::lock_guard const lock(mutex_);
  report_.carrier = nccl_carrier();
  report_.formed = true;
  return true;
}

/// False: the group has ended.
bool shard_thread::take_next(deadline until) {
  if (model_.seat->poll() == gpu::collective_state::failed) return false;
  auto const order = receive_from_rank(*leader_, until);
  if (!order) return order.failure().code == errc::deadline_exceeded;
  pulse_->busy_since = boot_clock::now().time_since_epoch().count();
  bool obeyed = false;
  try {
    obeyed = obey(*order).has_value();
  } catch (std::exception const&) { // memory ran out
  }
  leader_->scrub();
  pulse_->busy_since = 0;
  return obeyed;
}

result<void> shard_thread::obey(wire::envelope_view const& order) {
  result<void> done;
  auto const known = wire::visit_payload(order, [&]<class M>(M&& message) {
    using kind = std::remove_cvref_t<M>;
    if constexpr (std::same_as<kind, messages::step_plan>)
      done = compute(std::forward<M>(message));
    else if constexpr (std::same_as<kind, messages::wipe_order>)
      done = model_.engine->wipe(message.blocks, static_cast<gpu::wipe_extent>(message.extent));
    else if constexpr (std::same_as<kind, messages::settle_order>)
      done = settle(message);
    else if constexpr (std::same_as<kind, messages::rank_holds> ||
                       std::same_as<kind, messages::rank_released>)
      note(message);
    else
      done = error{errc::malformed, "rank 0 sent what is no order", order.header.kind};
  });
  return known ? done : known;
}

void shard_thread::note(messages::rank_holds const& word) {
  std::lock_guard const lock(mutex_);
  holdings_.hold(word, boot_clock::now());
  pulse_->open = static_cast<std::uint32_t>(holdings_.size());
}

void shard_thread::note(messages::rank_released const& word) {
  std::lock_guard const lock(mutex_);
  holdings_.release(word.request);
  forced_.erase(word.request);
  pulse_->open = static_cast<std::uint32_t>(holdings_.size());
}

result<void> shard_thread::compute(messages::step_plan plan) {
  std::vector<gpu::sequence_span> spans;
  std::uint32_t first = 0;
  for (auto const& sequence : plan.sequences) {
    spans.push_back({first, sequence.tokens, sequence.first_position, sequence.blocks});
    first += sequence.tokens;
  }
  return model_.engine->step({plan.tokens.reveal(), spans, plan.sampled});
}

result<void> shard_thread::settle(messages::settle_order const& order) {
  wipe_stack(); // what steps left on it counts as wiped too
  return send_to_rank(*leader_, messages::rank_settled{order.number}, boot_clock::now() + rank_patience);
}

bool shard_thread::must_leave(deadline now) {
  std::lock_guard const lock(mutex_);
  if (stopping_ || ended_epoch_ >= report_.epoch || offer_ || holdings_.overdue(now)) return true;
  return std::ranges::any_of(forced_, [&](auto const& one) { return now >= one.second; });
}

/// What rank 0 still said of requests before it left: those that it released it reports itself.
void shard_thread::hear_last_words() {
  for (;;) {
    auto const word = receive_from_rank(*leader_, boot_clock::now());
    if (!word) return;
    (void)wire::visit_payload(*word, [&]<class M>(M&& message) {
      using kind = std::remove_cvref_t<M>;
      if constexpr (std::same_as<kind, messages::rank_holds> || std::same_as<kind, messages::rank_released>)
        note(std::forward<M>(message));
    });
    leader_->scrub();
  }
}

/// The group is over for this rank: nothing of it stays.
void shard_thread::part() {
  bool const traces = model_.seat->leaves_traces();
  model_.seat->leave();
  hear_last_words();
  leader_ = nullptr;
  bool const wiped = model_.engine->forget().has_value() && !traces;
  wipe_stack();
  if (!wiped) model_.seat->end_process(); // without a word of what it cannot vouch for
  std::unique_lock lock(mutex_);
  auto const reports = holdings_.forget(self_, model_.engine->kv_block_bytes(),
                                        model_.engine->figures().kv_block_tokens, unix_milliseconds());
  forced_.clear();
  pulse_->open = 0;
  report_.formed = false;
  report_.leader = {};
  auto const last = report_.epoch;
  bool const goes_on = !stopping_;
  lock.unlock();
  if (wiped)
    for (auto const& report : reports) outbox_->report(report);
  if (goes_on) wants_(model_.model, last, {});
}

} // namespace mayfly::actors
