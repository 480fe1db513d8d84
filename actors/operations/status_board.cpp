#include "actors/operations/status_board.hpp"

namespace mayfly::actors {

void status_board::joined(messages::member const& member) {
  auto& node = nodes_[member.node];
  node.status.member = member;
  node.status.linked = true;
}

void status_board::left(node_id node, deadline now) {
  auto const at = nodes_.find(node);
  if (at == nodes_.end() || !at->second.status.linked) return;
  at->second.status.linked = false;
  at->second.left_at = now;
  at->second.samples.clear();
}

void status_board::reported(messages::worker_report const& report, deadline now) {
  auto const at = nodes_.find(report.worker);
  if (at == nodes_.end()) return;
  auto& node = at->second;
  sample fresh{now, 0, 0};
  for (auto const& load : report.models) {
    fresh.prefill += load.prefill_tokens;
    fresh.decode += load.decode_tokens;
  }
  node.status.worker = report;
  if (!node.status.linked) return;
  node.samples.push_back(fresh);
  while (node.samples.size() > 2 && now - node.samples[1].at >= window) node.samples.pop_front();
}

void status_board::reported(messages::rank_report const& report) {
  auto const at = nodes_.find(report.node);
  if (at == nodes_.end()) return;
  auto& ranks = at->second.status.ranks;
  std::erase_if(ranks, [&](auto const& known) { return known.model == report.model; });
  ranks.push_back(report);
}

void status_board::reported(messages::gateway_report const& report) {
  auto const at = nodes_.find(report.gateway);
  if (at != nodes_.end()) at->second.status.gateway = report;
}

void status_board::reported(node_id retention, messages::retention_report const& report) {
  auto const at = nodes_.find(retention);
  if (at != nodes_.end()) at->second.status.retention = report;
}

void status_board::tick(deadline now) {
  std::erase_if(nodes_, [&](auto const& node) {
    return !node.second.status.linked && now - node.second.left_at >= memory;
  });
}

double status_board::rate(entry const& entry, std::uint64_t sample::* counter) {
  if (entry.samples.size() < 2) return 0;
  auto const& first = entry.samples.front();
  auto const& last = entry.samples.back();
  std::chrono::duration<double> const seconds = last.at - first.at;
  if (seconds.count() <= 0 || last.*counter < first.*counter) return 0;
  return static_cast<double>(last.*counter - first.*counter) / seconds.count();
}

cluster_status status_board::status(deadline now) const {
  cluster_status picture;
  for (auto const& [id, node] : nodes_) {
    picture.nodes.push_back(node.status);
    if (!node.status.linked)
      picture.nodes.back().lost_for =
          std::chrono::duration_cast<std::chrono::milliseconds>(now - node.left_at);
    bool const fresh = !node.samples.empty() && now - node.samples.back().at < window;
    if (!fresh) continue;
    picture.prefill_tokens_per_second += rate(node, &sample::prefill);
    picture.decode_tokens_per_second += rate(node, &sample::decode);
  }
  return picture;
}

} // namespace mayfly::actors
