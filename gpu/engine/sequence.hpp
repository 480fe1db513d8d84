#pragma once
#include "gpu/engine.hpp"
#include "gpu/engine/sampler.hpp"

#include <map>
#include <memory>
#include <vector>

namespace mayfly::gpu {

/// One request on its way through the engine. Waiting, it holds no KV blocks; running, it holds blocks for at
/// least the tokens that were computed. Preempted, it waits again with `computed` = 0 and is computed anew
/// from all its tokens, which gives the same K and V to the bit, and so the same output.
struct sequence {
  sequence_handle handle = 0; ///< ascends with arrival: the smaller, the older
  std::uint64_t account = 0;
  std::int32_t priority = 0;

  ephemeral_tokens tokens; ///< prompt, then output
  std::size_t prompt_tokens = 0;
  std::size_t computed = 0;    ///< leading tokens whose K and V are stored
  std::size_t charged = 0;     ///< leading tokens that the account was charged for
  std::size_t token_limit = 0; ///< prompt and output together

  sampling_state sampling;
  ephemeral_tokens stop_tokens;
  std::uint32_t credit = UINT32_MAX; ///< UINT32_MAX: without limit

  bool running = false;
  std::vector<std::uint32_t> blocks; ///< in order of position
  std::uint64_t last_step = 0;       ///< the last step that advanced it
  std::size_t wiped_bytes = 0;       ///< KV blocks given back so far

  sequence(sequence_handle name, sequence_request request, std::size_t limit);

  /// Tokens whose K and V are missing; at least 1. The last of them samples.
  std::size_t pending() const noexcept { return tokens.size() - computed; }
  std::size_t generated() const noexcept { return tokens.size() - prompt_tokens; }
  bool has_credit() const noexcept { return credit != 0; }
  void spend_credit() noexcept {
    if (credit != UINT32_MAX) --credit;
  }
  void add_credit(std::uint32_t granted) noexcept;
  bool stops_at(token_id token) const noexcept;

  /// Takes a sampled token into the output.
  void add(token_id token);

  /// Wipes tokens and sampler state; returns their bytes. The blocks are the pool's to wipe.
  std::size_t wipe() noexcept;
};

/// By age, oldest first.
using sequence_table = std::map<sequence_handle, std::unique_ptr<sequence>>;

/// True if `left` is served before `right` and may take blocks from it: higher priority, else older.
inline bool goes_before(sequence const& left, sequence const& right) noexcept {
  return left.priority != right.priority ? left.priority > right.priority : left.handle < right.handle;
}

} // namespace mayfly::gpu
