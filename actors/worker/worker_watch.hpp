#pragma once
// Whether the engines still turn: read by the node for its supervisor.
#include "protocol/base/clock.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace mayfly::actors {

/// Written by one engine thread.
struct engine_pulse {
  std::atomic<std::int64_t> busy_since{0}; ///< boot clock, in ns; 0: it waits for work
  std::atomic<std::uint32_t> open{0};      ///< choices that are admitted, also those that wait for credit
};

/// The pulses of a worker's engines. Thread-safe.
class worker_watch {
public:
  std::shared_ptr<engine_pulse> add() {
    std::lock_guard const lock(mutex_);
    return pulses_.emplace_back(std::make_shared<engine_pulse>());
  }
  /// How long the slowest engine is in its present turn: commands and one step. A healthy one stays well
  /// under a second or two, by the model; a stuck one grows without end.
  std::chrono::nanoseconds longest_turn(deadline now) const {
    std::lock_guard const lock(mutex_);
    std::int64_t longest = 0;
    for (auto const& pulse : pulses_) {
      auto const since = pulse->busy_since.load(std::memory_order_relaxed);
      if (since != 0) longest = std::max(longest, now.time_since_epoch().count() - since);
    }
    return std::chrono::nanoseconds(longest);
  }

  /// Whether any choice is admitted and not ended.
  bool holds_work() const {
    std::lock_guard const lock(mutex_);
    return std::ranges::any_of(pulses_, [](auto const& pulse) { return pulse->open != 0; });
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<engine_pulse>> pulses_;
};

} // namespace mayfly::actors
