#include "gpu/engine/batcher.hpp"

#include <algorithm>
#include <tuple>

namespace mayfly::gpu {
namespace {

/// Where rotation decides: the one that should be served first compares smaller.
auto urgency(sequence const& subject, fair_share const& shares) {
  return std::tuple(-std::int64_t{subject.priority}, subject.pending() > 1, shares.served(subject.account),
                    subject.last_step, subject.handle);
}

bool before(sequence const* left, sequence const* right) { return goes_before(*left, *right); }

} // namespace

std::span<planned const> batcher::plan(sequence_table& table, std::uint64_t step) {
  step_ = step;
  plan_.clear();
  collect(table);
  admit();
  take_seats();
  plan_decode();
  plan_prefill();
  return plan_;
}

void batcher::advance(planned const& share) {
  auto& subject = *share.subject;
  subject.computed += share.tokens;
  subject.last_step = step_;
  if (subject.computed <= subject.charged)
    return; // computed again after a preemption: not the account's doing
  shares_.charge(subject.account, subject.computed - subject.charged);
  subject.charged = subject.computed;
}

void batcher::collect(sequence_table& table) {
  running_.clear();
  waiting_.clear();
  for (auto& [handle, subject] : table) {
    if (subject->running)
      running_.push_back(subject.get());
    else if (subject->has_credit())
      waiting_.push_back(subject.get());
  }
}

void batcher::admit() {
  while (!waiting_.empty()) {
    auto const head = std::min_element(waiting_.begin(), waiting_.end(), [&](auto* left, auto* right) {
      return std::tuple(-std::int64_t{left->priority}, shares_.served(left->account), left->handle) <
             std::tuple(-std::int64_t{right->priority}, shares_.served(right->account), right->handle);
    });
    auto& subject = **head;
    auto const rivals = std::count_if(running_.begin(), running_.end(), [&](auto* each) {
      return each->has_credit() && each->priority >= subject.priority;
    });
    if (rivals >= static_cast<std::ptrdiff_t>(limits_.sequences) || !make_room_to_start(subject)) return;
    waiting_.erase(head);
    pool_.take(pool_.blocks_for(subject.tokens.size()), subject.blocks);
    subject.running = true;
    running_.push_back(&subject);
  }
}

bool batcher::make_room_to_start(sequence const& subject) {
  auto const wanted = pool_.blocks_for(subject.tokens.size());
  std::size_t available = pool_.free();
  std::size_t reserve = 0; // a block for each that may need one in this very step
  for (auto const* each : running_) {
    bool const displaceable = !each->has_credit() || each->priority < subject.priority;
    (displaceable ? available : reserve) += displaceable ? each->blocks.size() : 1;
  }
  if (available < wanted + reserve) return false;
  auto const runnable = [&] {
    return static_cast<std::size_t>(
        std::count_if(running_.begin(), running_.end(), [](auto* each) { return each->has_credit(); }));
  };
  while (pool_.free() < wanted + runnable()) preempt(*last_running(nullptr, subject.priority));
  return true;
}

void batcher::take_seats() {
  seated_.clear();
  for (auto* each : running_)
    if (each->has_credit()) seated_.push_back(each);
  if (seated_.size() > limits_.sequences) {
    std::sort(seated_.begin(), seated_.end(),
              [&](auto* left, auto* right) { return urgency(*left, shares_) < urgency(*right, shares_); });
    seated_.resize(limits_.sequences);
  }
  std::sort(seated_.begin(), seated_.end(), before);
}

void batcher::plan_decode() {
  for (auto* each : seated_)
    if (each->running && each->pending() == 1 && secure_block(*each)) plan_.push_back({each, 1});
}

bool batcher::secure_block(sequence& subject) {
  if (pool_.blocks_for(subject.tokens.size()) <= subject.blocks.size()) return true;
  if (pool_.free() == 0) {
    auto* const victim = last_running(&subject, subject.priority);
    preempt(victim == nullptr ? subject : *victim);
    if (victim == nullptr) return false;
  }
  pool_.take(1, subject.blocks);
  return true;
}

/// Whose blocks to take: a sequence without credit, else one of lower priority, else, if `behind` is given,
/// one that goes after it. Of several the one that goes last; null if there is none.
sequence* batcher::last_running(sequence const* behind, std::int32_t below_priority) const {
  sequence* found = nullptr;
  for (auto* each : running_) {
    if (each == behind) continue;
    bool const idle = !each->has_credit();
    bool const yields = each->priority < below_priority || (behind != nullptr && goes_before(*behind, *each));
    if (!idle && !yields) continue;
    bool const found_idle = found != nullptr && !found->has_credit();
    if (found == nullptr || (idle && !found_idle) || (idle == found_idle && goes_before(*found, *each)))
      found = each;
  }
  return found;
}

void batcher::preempt(sequence& subject) {
  subject.wiped_bytes += pool_.release(subject.blocks);
  subject.computed = 0;
  subject.running = false;
  std::erase(running_, &subject);
  ++preemptions_;
}

void batcher::plan_prefill() {
  auto left = limits_.tokens - static_cast<std::uint32_t>(plan_.size());
  if (!plan_.empty()) left = std::min(left, limits_.prefill_beside_decode);
  std::erase_if(seated_, [](auto* each) { return !each->running || each->pending() == 1; });
  for (auto begin = seated_.begin(); begin != seated_.end();) {
    auto const priority = (*begin)->priority;
    auto const end =
        std::find_if(begin, seated_.end(), [&](auto* each) { return each->priority != priority; });
    share_out({begin, end}, left);
    begin = end;
  }
}

/// Gives `left` tokens to a group of one priority, oldest first, in rounds: in each, every account that still
/// has something to compute gets an equal share for its oldest sequence.
void batcher::share_out(std::span<sequence* const> group, std::uint32_t& left) {
  auto const given = [&](sequence const* subject) {
    auto const found =
        std::find_if(plan_.begin(), plan_.end(), [&](auto& p) { return p.subject == subject; });
    return found == plan_.end() ? 0U : found->tokens;
  };
  sequences heads; // the oldest unserved sequence of each account
  while (left > 0) {
    heads.clear();
    for (auto* each : group) {
      bool const served = given(each) == each->pending();
      bool const known =
          std::any_of(heads.begin(), heads.end(), [&](auto* head) { return head->account == each->account; });
      if (!served && !known) heads.push_back(each);
    }
    if (heads.empty()) return;
    std::stable_sort(heads.begin(), heads.end(), [&](auto* one, auto* other) {
      return shares_.served(one->account) < shares_.served(other->account);
    });
    auto const quantum = std::max<std::size_t>(1, left / heads.size());
    for (auto* each : heads) {
      auto const tokens = std::min({quantum, each->pending() - given(each), std::size_t{left}});
      give(*each, static_cast<std::uint32_t>(tokens));
      left -= static_cast<std::uint32_t>(tokens);
    }
  }
}

void batcher::give(sequence& subject, std::uint32_t tokens) {
  if (tokens == 0) return;
  auto const known = std::find_if(plan_.begin(), plan_.end(), [&](auto& p) { return p.subject == &subject; });
  if (known != plan_.end())
    known->tokens += tokens;
  else
    plan_.push_back({&subject, tokens});
}

} // namespace mayfly::gpu
