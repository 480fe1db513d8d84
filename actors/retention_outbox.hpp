#pragma once
// How holders report to retention, even while no retention peer is linked.
#include "actors/peer_table.hpp"

#include <deque>
#include <mutex>
#include <variant>

namespace mayfly::actors {

/// Reports of wipes and closings on their way to the retention peer that the request's id names, or, where
/// that one is not linked, to every retention peer (who does not hold the lease ignores it). Kept while none
/// is linked, at most `capacity` of them: older ones give way, and their leases end as unconfirmed.
/// Thread-safe: an engine's thread reports while the actor follows the peers.
class retention_outbox {
public:
  explicit retention_outbox(std::size_t capacity = 65536) : capacity_(capacity) {}

  /// Peers without the retention role are passed over.
  void joined(cluster::peer_ref const& peer);
  void left(node_id node);

  void report(messages::holder_wiped wiped) { post(wiped); }
  void report(messages::lease_closing closing) { post(closing); }

  std::size_t waiting() const;

private:
  using entry = std::variant<messages::holder_wiped, messages::lease_closing>;
  void post(entry report);
  void send(entry const& report) const;

  std::size_t capacity_;
  mutable std::mutex mutex_;
  peer_table peers_;
  std::deque<entry> waiting_;
};

} // namespace mayfly::actors
