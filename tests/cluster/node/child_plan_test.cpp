#include "cluster/node/child_plan.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::node;
using messages::role;

namespace {

std::vector<std::string> labels(std::vector<child_plan> const& plans) {
  std::vector<std::string> found;
  for (auto const& plan : plans) found.push_back(plan.label);
  return found;
}

} // namespace

TEST_CASE("a cluster is one front node and its workers") {
  cluster_configuration configuration;
  configuration.workers = 2;
  CHECK(labels(plan_children(configuration, 4)) == std::vector<std::string>{"front", "worker", "worker"});
}

TEST_CASE("a worker's process has no other role") {
  for (auto const& plan : plan_children(cluster_configuration{}, 4))
    if (plan.label == "worker") CHECK(plan.roles == static_cast<messages::role_set>(role::worker));
}

TEST_CASE("split, every role has a process of its own and there are two gateways on successive ports") {
  cluster_configuration configuration;
  configuration.split = true;
  configuration.http.port = 8000;
  auto const plans = plan_children(configuration, 2);
  CHECK(labels(plans) ==
        std::vector<std::string>{"operations", "scheduler", "retention", "gateway", "gateway", "worker"});
  CHECK(plans[3].http_port == 8000);
  CHECK(plans[4].http_port == 8001);
  for (auto const& plan : plans) CHECK(std::has_single_bit(plan.roles));
}

TEST_CASE("exactly one process of a cluster is its seed") {
  for (bool const split : {false, true}) {
    cluster_configuration configuration;
    configuration.split = split;
    CHECK(std::ranges::count_if(plan_children(configuration, 2), &child_plan::seed) == 1);
  }
}

TEST_CASE("a host that joins another's cluster runs workers alone") {
  cluster_configuration configuration;
  configuration.workers = 3;
  configuration.join.emplace_back();
  CHECK(labels(plan_children(configuration, 2)) == std::vector<std::string>{"worker", "worker", "worker"});
}

TEST_CASE("processors are shared out among the workers, at least one each") {
  cluster_configuration configuration;
  configuration.workers = 3;
  CHECK(plan_children(configuration, 7).back().threads == 2);
  CHECK(plan_children(configuration, 2).back().threads == 1);
  configuration.threads_per_worker = 5;
  CHECK(plan_children(configuration, 2).back().threads == 5);
}

TEST_CASE("where models are split each worker has the shards of its group beside it") {
  cluster_configuration configuration;
  configuration.workers = 2;
  configuration.tensor_parallel = 3;
  auto const plans = plan_children(configuration, 12);
  CHECK(labels(plans) ==
        std::vector<std::string>{"front", "worker", "shard", "shard", "worker", "shard", "shard"});
  for (std::size_t index = 1; index < plans.size(); ++index) {
    CHECK(plans[index].group == (index - 1) / 3);
    CHECK(plans[index].rank == (index - 1) % 3);
    CHECK(plans[index].ranks == 3);
    CHECK(plans[index].threads == 2);
    CHECK(std::has_single_bit(plans[index].roles));
  }
}

TEST_CASE("of ranks that span hosts each host runs its own") {
  cluster_configuration configuration;
  configuration.tensor_parallel = 5;
  configuration.ranks_over_hosts = rank_layout({{{}, {}, 2}, {{}, {}, 3}});
  CHECK(labels(plan_children(configuration, 8, 0)) == std::vector<std::string>{"front", "worker", "shard"});
  configuration.join.emplace_back();
  auto const second = plan_children(configuration, 8, 1);
  CHECK(labels(second) == std::vector<std::string>{"shard", "shard", "shard"});
  CHECK(second[0].rank == 2);
  CHECK(second[2].rank == 4);
  CHECK(second[0].ranks == 5);
}

TEST_CASE("every process of a host that computes has a place of its own") {
  cluster_configuration configuration;
  configuration.workers = 2;
  configuration.tensor_parallel = 2;
  std::vector<std::uint32_t> places;
  for (auto const& plan : plan_children(configuration, 8)) {
    if (plan.threads == 0) continue;
    CHECK(plan.places == 4);
    CHECK(plan.threads == 2);
    places.push_back(plan.place);
  }
  CHECK(places == std::vector<std::uint32_t>{0, 1, 2, 3});
}
