#pragma once
// How a worker is chosen: a contract, so that policies can be compared on recorded load without a cluster.
#include "protocol/base/ids.hpp"
#include "protocol/base/name.hpp"

#include <span>
#include <vector>

namespace mayfly::actors {

/// What a request needs, by estimate.
struct placement_need {
  std::uint64_t tokens = 0;      ///< prompt and the most that may be generated
  std::vector<node_id> excluded; ///< refused or lost it already
  name region;                   ///< empty: any
};

/// A worker that serves the model, and its load for this model: what it reported, and what was placed there
/// since and cannot be in its report yet.
struct candidate {
  node_id worker;
  bool draining = false;
  name region;
  std::uint32_t sequences = 0; ///< running, waiting and on their way
  std::uint32_t max_running = 0;
  std::uint32_t max_waiting = 0;
  std::uint64_t kv_tokens = 0;      ///< the KV cache's size; 0: unknown
  std::uint64_t kv_tokens_free = 0; ///< less what is on its way
};

/// Pure but for ties, which may rotate. One thread at a time.
class placement_policy {
public:
  virtual ~placement_policy() = default;
  /// The index of the worker to ask. Errors: no_worker (none of the candidates may be asked: excluded,
  /// draining, another region; or there is none), overloaded (those that may be asked have full queues).
  virtual result<std::size_t> choose(placement_need const& need, std::span<candidate const> candidates) = 0;
};

} // namespace mayfly::actors
