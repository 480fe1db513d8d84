#include "actors/scheduler/placement/least_loaded.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace mayfly;
using namespace mayfly::actors;

namespace {

candidate idle(std::uint64_t node) {
  candidate worker;
  worker.worker = node_id{node};
  worker.max_running = 4;
  worker.max_waiting = 2;
  worker.kv_tokens = worker.kv_tokens_free = 1024;
  return worker;
}

name region(std::string_view text) { return *name::parse(text); }

} // namespace

TEST_CASE("without workers there is nobody to place on") {
  least_loaded policy;
  CHECK(policy.choose({}, {}).failure().code == errc::no_worker);
}

TEST_CASE("the worker with fewer sequences is chosen") {
  least_loaded policy;
  std::vector workers{idle(1), idle(2)};
  workers[0].sequences = 3;
  workers[1].sequences = 1;
  CHECK(*policy.choose({100, {}, {}}, workers) == 1);
}

TEST_CASE("the worker with room in its KV cache is chosen over one with fewer sequences") {
  least_loaded policy;
  std::vector workers{idle(1), idle(2)};
  workers[0].sequences = 1;
  workers[0].kv_tokens_free = 10;
  workers[1].sequences = 2;
  CHECK(*policy.choose({500, {}, {}}, workers) == 1);
}

TEST_CASE("a bigger machine takes more before it counts as fuller") {
  least_loaded policy;
  std::vector workers{idle(1), idle(2)};
  workers[0].sequences = 2;
  workers[1].sequences = 6;
  workers[1].max_running = 64;
  CHECK(*policy.choose({10, {}, {}}, workers) == 1);
}

TEST_CASE("equal workers take turns") {
  least_loaded policy;
  std::vector const workers{idle(1), idle(2), idle(3)};
  std::set<std::size_t> chosen;
  for (int turn = 0; turn < 3; ++turn) chosen.insert(*policy.choose({10, {}, {}}, workers));
  CHECK(chosen.size() == 3);
}

TEST_CASE("excluded, draining and foreign workers are not asked") {
  least_loaded policy;
  std::vector workers{idle(1), idle(2), idle(3)};
  workers[1].draining = true;
  workers[0].region = workers[1].region = region("eu");
  workers[2].region = region("us");
  SECTION("excluded") { CHECK(*policy.choose({10, {node_id{1}}, {}}, workers) == 2); }
  SECTION("draining") {
    CHECK(policy.choose({10, {node_id{1}, node_id{3}}, {}}, workers).failure().code == errc::no_worker);
  }
  SECTION("another region") {
    CHECK(*policy.choose({10, {}, region("us")}, workers) == 2);
    CHECK(policy.choose({10, {}, region("asia")}, workers).failure().code == errc::no_worker);
  }
}

TEST_CASE("full queues everywhere are overload, not absence") {
  least_loaded policy;
  std::vector workers{idle(1), idle(2)};
  workers[0].sequences = workers[1].sequences = 6;
  CHECK(policy.choose({10, {}, {}}, workers).failure().code == errc::overloaded);
  workers[1].sequences = 5;
  CHECK(*policy.choose({10, {}, {}}, workers) == 1);
}

TEST_CASE("an estimate beyond every cache still finds a worker: workers judge that") {
  least_loaded policy;
  std::vector const workers{idle(1)};
  CHECK(*policy.choose({1000000, {}, {}}, workers) == 0);
}
