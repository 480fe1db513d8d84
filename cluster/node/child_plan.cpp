#include "cluster/node/child_plan.hpp"

#include <algorithm>

namespace mayfly::node {
namespace {

using messages::role;
using messages::role_set;

constexpr role_set set_of(role only) { return static_cast<role_set>(only); }
constexpr role_set front_roles =
    set_of(role::gateway) | set_of(role::scheduler) | set_of(role::retention) | set_of(role::operations);

void plan_split(cluster_configuration const& configuration, std::vector<child_plan>& plans) {
  plans.push_back({"operations", set_of(role::operations), true, 0, configuration.http.admin_port, 0});
  plans.push_back({"scheduler", set_of(role::scheduler), false, 0, 0, 0});
  plans.push_back({"retention", set_of(role::retention), false, 0, 0, 0});
  auto const gateways = std::max(configuration.gateways, 2U);
  for (std::uint32_t index = 0; index < gateways; ++index) {
    auto const port = configuration.http.port == 0 ? 0U : configuration.http.port + index;
    plans.push_back({"gateway", set_of(role::gateway), false, static_cast<std::uint16_t>(port), 0, 0});
  }
}

/// A worker is rank 0 of its group, and shards the others; of a group that spans hosts only those of this
/// one.
void plan_ranks(cluster_configuration const& configuration, unsigned processors, std::size_t own_host,
                std::vector<child_plan>& plans) {
  auto const& layout = configuration.ranks_over_hosts;
  auto const ranks = configuration.tensor_parallel;
  auto const first = layout.spans_hosts() ? layout.first_rank(own_host) : 0;
  auto const end = layout.spans_hosts() ? first + layout.hosts()[own_host].ranks : ranks;
  auto const places = configuration.workers * (end - first);
  auto const shared_out = std::max(1U, processors / std::max(1U, places));
  auto const threads = configuration.threads_per_worker != 0 ? configuration.threads_per_worker : shared_out;
  for (std::uint32_t place = 0; place < places; ++place) {
    auto const group = place / (end - first);
    auto const rank = first + place % (end - first);
    plans.push_back({rank == 0 ? "worker" : "shard", set_of(rank == 0 ? role::worker : role::shard), false, 0,
                     0, threads, group, rank, ranks, place, places});
  }
}

} // namespace

std::vector<child_plan> plan_children(cluster_configuration const& configuration, unsigned processors,
                                      std::size_t own_host) {
  std::vector<child_plan> plans;
  if (configuration.join.empty()) {
    if (configuration.split)
      plan_split(configuration, plans);
    else
      plans.push_back(
          {"front", front_roles, true, configuration.http.port, configuration.http.admin_port, 0});
  }
  plan_ranks(configuration, processors, own_host, plans);
  return plans;
}

} // namespace mayfly::node
