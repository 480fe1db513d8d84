#pragma once
// What the shard actor does; shard.cpp only dispatches.
#include "actors/peer_table.hpp"
#include "actors/worker/shard.hpp"

#include <map>

namespace mayfly::actors {

class shard_state {
public:
  static constexpr char const* name = "shard";

  void init(shard_options options);

  void take_seat(std::shared_ptr<group_offer> const& offer);
  void leave(leave_group const& word);
  /// The request may be of any model here, or of none.
  void forced(messages::lease_forced const& word);
  void joined(cluster::peer_joined const& joined);
  void left(node_id node);
  void tick();

private:
  shard_options options_;
  mayfly::name backend_;
  peer_table peers_;
  std::unique_ptr<retention_outbox> outbox_; ///< outlives the threads
  std::map<mayfly::name, std::unique_ptr<shard_thread>> ranks_;
  deadline report_due_{};
};

/// What a process says of itself in a rank's report.
void add_process_figures(messages::rank_report& report, mayfly::name const& backend);

} // namespace mayfly::actors
