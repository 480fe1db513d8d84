#include "cluster/node/restart_policy.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using mayfly::node::restart_policy;

TEST_CASE("the first restart comes at once") { CHECK(restart_policy{}.next_pause(0ms) == 0ms); }

TEST_CASE("a child that keeps ending waits twice as long each time, at most ten seconds") {
  restart_policy policy;
  std::vector<std::chrono::milliseconds> pauses;
  for (int turn = 0; turn < 10; ++turn) pauses.push_back(policy.next_pause(5ms));
  CHECK(pauses[1] == 100ms);
  CHECK(pauses[2] == 200ms);
  CHECK(pauses[9] == 10s);
}

TEST_CASE("a child that ran for ten seconds is restarted at once again") {
  restart_policy policy;
  for (int turn = 0; turn < 5; ++turn) policy.next_pause(0ms);
  CHECK(policy.next_pause(10s) == 0ms);
}
