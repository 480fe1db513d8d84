#pragma once
// What the reports add up to. Pure; metadata alone.
#include "actors/actors.hpp"

#include <deque>
#include <map>

namespace mayfly::actors {

class status_board {
public:
  /// Over which tokens per second are counted.
  static constexpr std::chrono::seconds window{5};
  /// How long a node that is gone stays visible.
  static constexpr std::chrono::seconds memory{30};

  void joined(messages::member const& member);
  void left(node_id node, deadline now);
  /// Reports of nodes that never joined are passed over.
  void reported(messages::worker_report const& report, deadline now);
  void reported(messages::rank_report const& report);
  void reported(messages::gateway_report const& report);
  void reported(node_id retention, messages::retention_report const& report);
  void tick(deadline now);

  /// Tokens per second are those of workers that were linked throughout.
  cluster_status status(deadline now) const;

private:
  struct sample {
    deadline at;
    std::uint64_t prefill = 0;
    std::uint64_t decode = 0;
  };
  struct entry {
    node_status status;
    deadline left_at{};
    std::deque<sample> samples; ///< the worker's counters, oldest first
  };
  static double rate(entry const& entry, std::uint64_t sample::* counter);

  std::map<node_id, entry> nodes_;
};

} // namespace mayfly::actors
