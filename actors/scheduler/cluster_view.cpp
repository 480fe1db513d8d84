#include "actors/scheduler/cluster_view.hpp"

#include <algorithm>

namespace mayfly::actors {

void cluster_view::joined(node_id worker) { workers_.try_emplace(worker); }

void cluster_view::left(node_id worker) { workers_.erase(worker); }

void cluster_view::reported(messages::worker_report const& report, deadline now) {
  auto const at = workers_.find(report.worker);
  if (at == workers_.end()) return;
  auto& worker = at->second;
  worker.report = report;
  worker.reported_at = now;
  worker.reported = true;
  for (auto& [request, placement] : worker.placements)
    placement.settled = placement.settled || now - placement.at >= limits_.settling;
}

void cluster_view::placed(request_id request, node_id worker, name const& model, std::uint64_t tokens,
                          deadline now) {
  auto const at = workers_.find(worker);
  if (at != workers_.end()) at->second.placements[request] = {model, tokens, now, false};
}

void cluster_view::released(request_id request, node_id worker) {
  auto const at = workers_.find(worker);
  if (at != workers_.end()) at->second.placements.erase(request);
}

void cluster_view::tick(deadline now) {
  for (auto& [node, worker] : workers_) {
    if (now - worker.reported_at >= limits_.silence) worker.reported = false;
    std::erase_if(worker.placements,
                  [&](auto const& entry) { return now - entry.second.at >= limits_.placement_life; });
  }
}

std::vector<candidate> cluster_view::candidates(name const& model) const {
  std::vector<candidate> found;
  for (auto const& [node, worker] : workers_) {
    if (!worker.reported) continue;
    for (auto const& load : worker.report.models)
      if (load.model == model && load.ready) found.push_back(candidate_of(node, worker, load));
  }
  return found;
}

candidate cluster_view::candidate_of(node_id node, worker_entry const& worker,
                                     messages::model_load const& load) const {
  candidate result;
  result.worker = node;
  result.draining = worker.report.draining;
  result.region = worker.report.region;
  result.sequences = load.running + load.waiting;
  result.max_running = load.max_running;
  result.max_waiting = load.max_waiting;
  result.kv_tokens = std::uint64_t{load.kv_blocks} * load.kv_block_tokens;
  result.kv_tokens_free = std::uint64_t{load.kv_blocks_free} * load.kv_block_tokens;
  for (auto const& [request, placement] : worker.placements) {
    if (placement.settled || placement.model != load.model) continue;
    ++result.sequences;
    result.kv_tokens_free -= std::min(result.kv_tokens_free, placement.tokens);
  }
  return result;
}

} // namespace mayfly::actors
