// Deadlines, peers that are missing, and those that do not answer.
#include "tests/actors/gateway/generation_run_bench.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;

TEST_CASE("the deadline ends a run in every state") {
  run_bench bench;
  SECTION("waiting for the lease") { bench.port.openings.clear(); }
  SECTION("waiting for a placement") { bench.lease(); }
  SECTION("waiting for admission") { bench.lease(), bench.place(worker_a); }
  SECTION("amid the text") {
    bench.lease(), bench.place(worker_a), bench.admit(worker_a), bench.chunk(worker_a, 0);
  }
  bench.pass(60s);
  CHECK(bench.failure() == errc::deadline_exceeded);
  CHECK(bench.run->ended());
  CHECK(bench.port.cancels.size() == bench.port.infers.size());
}

TEST_CASE("a worker that ends a choice for its deadline ends the request") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.finish(worker_a, messages::finish_reason::failed, 0, errc::deadline_exceeded);
  CHECK(bench.failure() == errc::deadline_exceeded);
}

TEST_CASE("a forced lease ends the request") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.run->on_lease_forced(bench.now);
  CHECK(bench.failure() == errc::deadline_exceeded);
  CHECK(bench.port.cancels == std::vector{worker_a});
}

namespace {

enum class missing : std::uint8_t { retention_at_opening, scheduler, retention_before_content };

/// A run that waits for a peer which is gone since now.
void miss(run_bench& bench, missing what) {
  bench.port.retention_there = what != missing::retention_at_opening;
  bench.run->start(bench.now);
  if (what == missing::retention_at_opening) return;
  bench.port.scheduler_there = what != missing::scheduler;
  bench.lease();
  if (what == missing::scheduler) return;
  bench.port.retention_there = bench.port.scheduler_there = false;
  bench.place(worker_a);
}

} // namespace

TEST_CASE("a peer that is missing too long ends the run") {
  run_bench bench(1, false);
  miss(bench, GENERATE(missing::retention_at_opening, missing::scheduler, missing::retention_before_content));
  bench.pass(4900ms);
  CHECK_FALSE(bench.run->ended());
  bench.pass(200ms);
  CHECK(bench.failure() == errc::unavailable);
  CHECK(bench.port.infers.empty());
}

TEST_CASE("a peer that returns in time is used") {
  run_bench bench(1, false);
  miss(bench, GENERATE(missing::retention_at_opening, missing::scheduler, missing::retention_before_content));
  bench.pass(4900ms);
  bench.port.retention_there = bench.port.scheduler_there = true;
  bench.pass(50ms);
  bench.lease();
  bench.place(worker_a);
  CHECK(bench.port.infers.size() == 1);
  bench.pass(5s);
  CHECK_FALSE(bench.run->ended());
}

TEST_CASE("retention that does not answer ends the run") {
  run_bench bench;
  bench.pass(1900ms);
  CHECK_FALSE(bench.run->ended());
  bench.pass(200ms);
  CHECK(bench.failure() == errc::unavailable);
}

TEST_CASE("a scheduler that does not answer is followed by the next, and then by an error") {
  run_bench bench;
  bench.lease();
  bench.pass(1s);
  CHECK(bench.port.placements.size() == 2);
  bench.pass(1s);
  CHECK(bench.port.placements.size() == 3);
  bench.pass(1s);
  CHECK(bench.failure() == errc::unavailable);
}

TEST_CASE("a second scheduler's late answer is given back") {
  run_bench bench;
  bench.lease();
  bench.pass(1s);
  bench.place(worker_a);
  bench.place(worker_b);
  CHECK(bench.port.releases == std::vector{worker_b});
  CHECK(bench.port.infers.size() == 1);
}

TEST_CASE("a worker that does not answer is cancelled and replaced") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.pass(15s);
  CHECK(bench.port.cancels == std::vector{worker_a});
  REQUIRE(bench.port.placements.size() == 2);
  CHECK(bench.port.placements[1].excluded == std::vector{worker_a});
}

TEST_CASE("a run gives up after a bounded number of workers") {
  run_bench bench;
  bench.lease();
  for (std::uint64_t worker = 1; worker <= 20 && !bench.run->ended(); ++worker) {
    bench.place(node_id{worker});
    bench.refuse(node_id{worker}, errc::overloaded);
  }
  CHECK(bench.failure() == errc::overloaded);
  CHECK(bench.port.infers.size() == run_limits{}.attempts);
}

TEST_CASE("a request whose only worker was lost waits for the one that is started in its place") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.run->on_worker_lost(worker_a, bench.now);
  bench.no_place(errc::no_worker);
  CHECK_FALSE(bench.run->ended());
  SECTION("and goes there") {
    bench.pass(4s);
    bench.place(worker_b);
    CHECK(bench.port.infers.size() == 2);
    bench.pass(5s);
    CHECK_FALSE(bench.run->ended());
  }
  SECTION("but not forever") {
    for (int turn = 0; turn < 60 && !bench.run->ended(); ++turn) {
      bench.pass(100ms);
      if (!bench.run->ended()) bench.no_place(errc::no_worker);
    }
    CHECK(bench.failure() == errc::worker_lost);
  }
}
