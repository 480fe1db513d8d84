#pragma once
#include "actors/scheduler/placement/policy.hpp"

namespace mayfly::actors {

/// The worker whose fullest resource would be emptiest with the request on it: running places or KV tokens,
/// whichever is scarcer. Equal ones take turns.
class least_loaded final : public placement_policy {
public:
  result<std::size_t> choose(placement_need const& need, std::span<candidate const> candidates) override;

private:
  std::size_t turn_ = 0;
};

/// How full `worker` would be with `tokens` more: 0 is empty, 1 is full, more means waiting.
double load_with(candidate const& worker, std::uint64_t tokens) noexcept;

} // namespace mayfly::actors
