#pragma once
// What a scheduler knows: soft state from workers' reports, and its own placements that no report shows yet.
// Pure; nothing here can hold content.
#include "actors/scheduler/placement/policy.hpp"
#include "protocol/base/clock.hpp"
#include "protocol/messages/scheduling.hpp"

#include <map>
#include <unordered_map>

namespace mayfly::actors {

struct view_limits {
  std::chrono::milliseconds silence{2000}; ///< a worker that says nothing for so long is not asked
  std::chrono::milliseconds settling{150}; ///< from placement until the worker's reports show it
  std::chrono::milliseconds placement_life{std::chrono::minutes(15)}; ///< a release that never comes
};

class cluster_view {
public:
  explicit cluster_view(view_limits limits = {}) : limits_(limits) {}

  void joined(node_id worker);
  void left(node_id worker);
  /// Reports of nodes that are not linked are passed over.
  void reported(messages::worker_report const& report, deadline now);
  /// `tokens`: the estimate that the placement was made with.
  void placed(request_id request, node_id worker, name const& model, std::uint64_t tokens, deadline now);
  void released(request_id request, node_id worker);
  /// Forgets silent workers' reports and placements whose release never came.
  void tick(deadline now);

  std::vector<candidate> candidates(name const& model) const;

private:
  struct placement_entry {
    name model;
    std::uint64_t tokens = 0;
    deadline at{};
    bool settled = false; ///< a report that followed shows it
  };
  struct worker_entry {
    messages::worker_report report;
    deadline reported_at{};
    bool reported = false;
    std::unordered_map<request_id, placement_entry> placements;
  };
  candidate candidate_of(node_id node, worker_entry const& worker, messages::model_load const& load) const;

  view_limits limits_;
  std::map<node_id, worker_entry> workers_;
};

} // namespace mayfly::actors
