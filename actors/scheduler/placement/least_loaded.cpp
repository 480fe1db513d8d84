#include "actors/scheduler/placement/least_loaded.hpp"

#include <algorithm>

namespace mayfly::actors {
namespace {

bool may_be_asked(candidate const& worker, placement_need const& need) {
  if (worker.draining) return false;
  if (!need.region.empty() && worker.region != need.region) return false;
  return std::find(need.excluded.begin(), need.excluded.end(), worker.worker) == need.excluded.end();
}

bool has_room(candidate const& worker) {
  return worker.sequences < std::uint64_t{worker.max_running} + worker.max_waiting;
}

} // namespace

double load_with(candidate const& worker, std::uint64_t tokens) noexcept {
  double const places = (worker.sequences + 1.0) / std::max(worker.max_running, 1U);
  if (worker.kv_tokens == 0) return places;
  auto const size = static_cast<double>(worker.kv_tokens);
  // A request's estimate may exceed the cache: the worker is the judge of that, not we.
  auto const asked = std::min(static_cast<double>(tokens), size);
  double const memory = (size - static_cast<double>(worker.kv_tokens_free) + asked) / size;
  return std::max(places, memory);
}

result<std::size_t> least_loaded::choose(placement_need const& need, std::span<candidate const> candidates) {
  bool any = false;
  double least = 0;
  std::vector<std::size_t> equals;
  for (std::size_t index = 0; index < candidates.size(); ++index) {
    auto const& worker = candidates[index];
    if (!may_be_asked(worker, need)) continue;
    any = true;
    if (!has_room(worker)) continue;
    double const load = load_with(worker, need.tokens);
    if (!equals.empty() && load > least) continue;
    if (equals.empty() || load < least) equals.clear();
    least = load;
    equals.push_back(index);
  }
  if (!any) return error{errc::no_worker, "no worker that may be asked serves the model", 0};
  if (equals.empty()) return error{errc::overloaded, "every worker's queue is full", 1};
  return equals[turn_++ % equals.size()];
}

} // namespace mayfly::actors
