#pragma once
// How holders report to retention, even while no retention peer is linked.
#include "actors/peer_table.hpp"
#include "protocol/base/clock.hpp"

#include <chrono>
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
  /// A silent peer's link is given up after a second; a supervisor kills it after two.
  static constexpr std::chrono::seconds memory{10};

  explicit retention_outbox(std::size_t capacity = 65536) : capacity_(capacity) {}

  /// Peers without the retention role are passed over.
  void joined(cluster::peer_ref const& peer);
  void left(node_id node);

  void report(messages::holder_wiped wiped) { post(wiped); }
  void report(messages::lease_closing closing) { post(closing); }

  /// How many are kept, sent or not.
  std::size_t kept() const;

private:
  using entry = std::variant<messages::holder_wiped, messages::lease_closing>;
  struct kept_entry {
    entry report;
    deadline forget_at; ///< `deadline::max()` while nobody was there to hear it
  };
  void post(entry report);
  void send(entry const& report) const;

  std::size_t capacity_;
  mutable std::mutex mutex_;
  peer_table peers_;
  std::deque<kept_entry> kept_; ///< in the order of posting
};

} // namespace mayfly::actors
