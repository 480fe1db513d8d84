#pragma once
// When the ranks of a tensor-parallel group become a group. Pure.
#include "cluster/node/restart_policy.hpp"
#include "protocol/base/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace mayfly::node {

/// A rank that is lost ends the group: each of the others leaves it, wiped, and says that it wants the next.
/// Once all of them want one, it is formed, with the next epoch: at once after one that held for ten seconds,
/// else after a pause (restart_policy).
class rank_group {
public:
  explicit rank_group(std::uint32_t ranks) : wanting_(ranks, false) {}

  void wants(std::uint32_t rank, deadline now) {
    if (rank >= wanting_.size()) return;
    if (formed_at_) {
      auto const held = std::chrono::duration_cast<std::chrono::milliseconds>(now - *formed_at_);
      due_ = now + pauses_.next_pause(held);
      formed_at_.reset();
    }
    wanting_[rank] = true;
  }
  /// Its process ended: what it wanted it wants no more.
  void ended(std::uint32_t rank, deadline now) {
    wants(rank, now);
    if (rank < wanting_.size()) wanting_[rank] = false;
  }

  /// The epoch of the group that is to be formed now; nothing while a rank is missing.
  std::optional<std::uint64_t> next(deadline now) {
    bool const all = std::ranges::all_of(wanting_, [](bool wants) { return wants; });
    if (!all || now < due_) return std::nullopt;
    wanting_.assign(wanting_.size(), false);
    formed_at_ = now;
    return ++epoch_;
  }

  /// Another host's ranks have seen this epoch, of an earlier process here: the next one is later.
  void at_least(std::uint64_t epoch) { epoch_ = std::max(epoch_, epoch); }

  bool formed() const noexcept { return formed_at_.has_value(); }
  std::uint64_t epoch() const noexcept { return epoch_; } ///< of the last group
  std::size_t ranks() const noexcept { return wanting_.size(); }

private:
  std::vector<bool> wanting_;
  std::uint64_t epoch_ = 0;
  std::optional<deadline> formed_at_;
  deadline due_{};
  restart_policy pauses_;
};

} // namespace mayfly::node
