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

} // namespace

std::vector<child_plan> plan_children(cluster_configuration const& configuration, unsigned processors) {
  std::vector<child_plan> plans;
  if (configuration.join.empty()) {
    if (configuration.split)
      plan_split(configuration, plans);
    else
      plans.push_back(
          {"front", front_roles, true, configuration.http.port, configuration.http.admin_port, 0});
  }
  auto const ranks = configuration.tensor_parallel;
  auto const shared_out = std::max(1U, processors / std::max(1U, configuration.workers * ranks));
  auto const threads = configuration.threads_per_worker != 0 ? configuration.threads_per_worker : shared_out;
  for (unsigned index = 0; index < configuration.workers; ++index) {
    plans.push_back({"worker", set_of(role::worker), false, 0, 0, threads, index, 0, ranks});
    for (std::uint32_t rank = 1; rank < ranks; ++rank)
      plans.push_back({"shard", set_of(role::shard), false, 0, 0, threads, index, rank, ranks});
  }
  return plans;
}

} // namespace mayfly::node
