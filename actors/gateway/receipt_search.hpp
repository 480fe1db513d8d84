#pragma once
// Asks retention peers for a receipt and tells the first that knows from those that do not. Pure.
#include "actors/actors.hpp"
#include "actors/peer_table.hpp"

#include <map>

namespace mayfly::actors {

class receipt_search {
public:
  /// How long a retention actor may wait for a lease that is about to close.
  static constexpr std::chrono::milliseconds patience{2000};
  /// The way there and back, on top.
  static constexpr std::chrono::milliseconds margin{1000};

  /// Asks the retention peer that the id names, or all of them where it is not linked. A search in which
  /// nobody answers ends as unreachable: at once where no retention peer is linked.
  void start(find_receipt const& asked, peer_table const& peers, deadline now);
  /// The answer of one that knows ends the search; `unknown` does once nobody else is left to answer.
  void answered(node_id from, messages::receipt_answer const& answer);
  /// A peer that is gone will not answer.
  void left(node_id node);
  /// Ends searches that outlived patience and margin.
  void tick(deadline now);

  std::size_t size() const noexcept { return searches_.size(); }

private:
  struct search {
    request_id request;
    std::shared_ptr<receipt_sink> sink;
    std::vector<node_id> awaited;
    deadline until;
    bool heard = false; ///< somebody said `unknown`
  };
  using place = std::map<std::uint64_t, search>::iterator;
  place end(place at);
  place stop_awaiting(place at, node_id node);

  std::map<std::uint64_t, search> searches_;
  std::uint64_t next_correlation_ = 1;
};

} // namespace mayfly::actors
