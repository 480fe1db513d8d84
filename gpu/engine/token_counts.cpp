#include "gpu/engine/token_counts.hpp"

#include <algorithm>

namespace mayfly::gpu {

void token_counts::add_prompt(std::span<token_id const> prompt) {
  // Sorted at once: inserting a long prompt one by one would move entries quadratically.
  ephemeral_tokens sorted(prompt);
  auto const tokens = sorted.reveal();
  std::sort(tokens.begin(), tokens.end());
  auto const end = std::unique(tokens.begin(), tokens.end());
  entries_.reserve(static_cast<std::size_t>(end - tokens.begin()));
  for (auto at = tokens.begin(); at != end; ++at) find_or_insert(*at);
}

void token_counts::add_output(token_id token) { ++find_or_insert(token).in_output; }

token_counts::entry& token_counts::find_or_insert(token_id token) {
  auto const before = entries_.reveal();
  auto const at = std::lower_bound(before.begin(), before.end(), token,
                                   [](entry const& each, token_id wanted) { return each.token < wanted; });
  auto const index = static_cast<std::size_t>(at - before.begin());
  if (at != before.end() && at->token == token) return before[index];
  entries_.push_back({token, 0});
  auto const after = entries_.reveal();
  std::rotate(after.begin() + static_cast<std::ptrdiff_t>(index), after.end() - 1, after.end());
  return after[index];
}

} // namespace mayfly::gpu
