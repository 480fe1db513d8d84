#include "tests/actors/gateway/generation_run_bench.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;

TEST_CASE("a run opens its lease first, with slack beyond the request's deadline") {
  run_bench bench;
  REQUIRE(bench.port.openings.size() == 1);
  CHECK(bench.port.openings[0].time_left == 65s);
  CHECK(bench.port.placements.empty());
  CHECK(bench.port.infers.empty());
}

TEST_CASE("a worker is registered as a holder before content goes to it") {
  run_bench bench(2);
  bench.lease();
  bench.place(worker_a);
  CHECK(bench.port.order == "hihi");
  CHECK(bench.port.holders[1].holder == worker_a);
  CHECK(bench.port.holders[1].choice == 1);
  CHECK(bench.port.infers[1].second.prompt.reveal() == "hello");
  CHECK(bench.port.infers[1].second.credit == 32);
  CHECK(bench.port.infers[1].second.time_left == 60s);
}

TEST_CASE("a run completes when its choice finishes") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.chunk(worker_a, 0);
  bench.chunk(worker_a, 1);
  bench.finish(worker_a);
  CHECK(bench.sink->text() == "xx");
  CHECK(bench.sink->complete());
  CHECK(bench.run->ended());
  CHECK(bench.run->figures().code == errc::ok);
  CHECK(bench.run->figures().completion_tokens == 3);
  CHECK(bench.port.releases == std::vector{worker_a});
  CHECK(bench.port.cancels.empty());
}

TEST_CASE("a refused lease ends the run before any content leaves") {
  run_bench bench;
  bench.lease(errc::retention_refused);
  CHECK(bench.failure() == errc::retention_refused);
  CHECK(bench.port.infers.empty());
}

TEST_CASE("a refusing worker is excluded and the next is asked") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.refuse(worker_a, errc::overloaded);
  REQUIRE(bench.port.placements.size() == 2);
  CHECK(bench.port.placements[1].excluded == std::vector{worker_a});
  CHECK(bench.port.releases == std::vector{worker_a});
  bench.place(worker_b);
  bench.admit(worker_b);
  bench.finish(worker_b);
  CHECK(bench.sink->complete());
}

TEST_CASE("when no worker is left, the refusal itself is the answer") {
  auto const [code, expected] =
      GENERATE(table<errc, errc>({{errc::overloaded, errc::overloaded},
                                  {errc::context_length_exceeded, errc::context_length_exceeded},
                                  {errc::draining, errc::no_worker},
                                  {errc::model_not_found, errc::no_worker}}));
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.refuse(worker_a, code, 0, 512);
  bench.no_place(errc::no_worker);
  CHECK(bench.failure() == expected);
}

TEST_CASE("a scheduler that has not heard of a worker yet is asked again") {
  run_bench bench;
  bench.port.reporting = worker_a;
  bench.lease();
  bench.no_place(errc::no_worker);
  CHECK(bench.failure() == errc::ok);
  bench.pass(100ms);
  REQUIRE(bench.port.placements.size() == 2);
  bench.place(worker_a);
  CHECK(bench.port.infers.size() == 1);
}

TEST_CASE("a scheduler that goes on finding no worker is believed") {
  run_bench bench;
  bench.port.reporting = worker_a;
  bench.lease();
  for (int turn = 0; turn < 60 && bench.failure() == errc::ok; ++turn) {
    bench.no_place(errc::no_worker);
    bench.pass(100ms);
  }
  CHECK(bench.failure() == errc::no_worker);
  CHECK(bench.port.infers.empty());
}

TEST_CASE("the largest context of the refusing workers is told") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.refuse(worker_a, errc::context_length_exceeded, 0, 2048);
  bench.place(worker_b);
  bench.refuse(worker_b, errc::context_length_exceeded, 0, 512);
  bench.place(worker_c);
  bench.refuse(worker_c, errc::overloaded);
  bench.no_place(errc::no_worker);
  REQUIRE(bench.failure() == errc::context_length_exceeded);
  CHECK(bench.sink->failure()->number == 2048);
}

TEST_CASE("an invalid request is not carried from worker to worker") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.refuse(worker_a, errc::invalid_request);
  CHECK(bench.failure() == errc::invalid_request);
  CHECK(bench.port.placements.size() == 1);
}

TEST_CASE("a worker that is not linked here is passed over") {
  run_bench bench;
  bench.port.gone = {worker_a};
  bench.lease();
  bench.place(worker_a);
  bench.pass(100ms);
  REQUIRE(bench.port.placements.size() == 2);
  CHECK(bench.port.placements[1].excluded == std::vector{worker_a});
  CHECK(bench.port.releases == std::vector{worker_a});
  CHECK(bench.port.forgotten == std::vector{worker_a}); // it was registered, and holds nothing
}

TEST_CASE("an answer that is not streamed is replayed until all of it is there") {
  run_bench bench(2, true, false);
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a, 0);
  bench.admit(worker_a, 1);
  bench.chunk(worker_a, 0, 0);
  bench.finish(worker_a, messages::finish_reason::stop, 0);
  bench.chunk(worker_a, 0, 1);
  CHECK(bench.sink->chunks() == 0);
  CHECK(bench.run->request().choices.size() == 2);
  bench.run->on_worker_lost(worker_a, bench.now);
  bench.place(worker_b);
  REQUIRE(bench.port.infers.size() == 3); // the choice that was not done
  CHECK(bench.port.infers[2].second.choice == 1);
  bench.admit(worker_b, 1);
  bench.chunk(worker_b, 0, 1);
  bench.chunk(worker_b, 1, 1);
  bench.finish(worker_b, messages::finish_reason::stop, 1);
  CHECK(bench.sink->complete());
  CHECK(bench.sink->text(0) == "x");
  CHECK(bench.sink->text(1) == "xx");
  CHECK(bench.sink->started() == 1);
  CHECK(bench.run->request().choices.empty());
}

TEST_CASE("credit for what is not streamed goes back by itself") {
  run_bench bench(1, true, false);
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  for (std::uint32_t chunk = 0; chunk < 32; ++chunk) bench.chunk(worker_a, chunk);
  std::uint32_t granted = 0;
  for (auto const& [worker, credit] : bench.port.grants) granted += credit.chunks;
  CHECK(granted == 32);
}

TEST_CASE("a worker lost before any text is handed over costs a replay") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  SECTION("before its admission") {}
  SECTION("after its admission") { bench.admit(worker_a); }
  bench.run->on_worker_lost(worker_a, bench.now);
  bench.place(worker_b);
  bench.admit(worker_b);
  bench.chunk(worker_b, 0);
  bench.finish(worker_b);
  CHECK(bench.sink->complete());
  CHECK(bench.sink->started() == 1);
  CHECK(bench.run->figures().replays == 1);
  CHECK(bench.port.infers[1].second.prompt.reveal() == "hello");
}

TEST_CASE("a worker lost after text was handed over ends the answer") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.chunk(worker_a, 0);
  bench.run->on_worker_lost(worker_a, bench.now);
  CHECK(bench.failure() == errc::worker_lost);
  CHECK(bench.port.placements.size() == 1);
}

TEST_CASE("the prompt is wiped once text is handed over") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  CHECK(bench.run->request().choices.size() == 1);
  bench.chunk(worker_a, 0);
  CHECK(bench.run->request().choices.empty());
}

TEST_CASE("what a lost worker says later is passed over") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.run->on_worker_lost(worker_a, bench.now);
  bench.place(worker_b);
  bench.chunk(worker_a, 0);
  bench.finish(worker_a);
  bench.admit(worker_a);
  CHECK(bench.sink->chunks() == 0);
  bench.admit(worker_b);
  bench.chunk(worker_b, 0);
  bench.finish(worker_b);
  CHECK(bench.sink->text() == "x");
  CHECK(bench.sink->complete());
}

TEST_CASE("a worker whose backend fails before any text is replaced without a cancel") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.finish(worker_a, messages::finish_reason::failed, 0, errc::backend_failed);
  CHECK(bench.port.cancels.empty());
  REQUIRE(bench.port.placements.size() == 2);
  CHECK(bench.port.placements[1].excluded == std::vector{worker_a});
}

TEST_CASE("a gap in a choice's chunks counts as the loss of its worker") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.chunk(worker_a, 0);
  bench.chunk(worker_a, 2);
  CHECK(bench.failure() == errc::worker_lost);
  CHECK(bench.port.cancels == std::vector{worker_a});
}

TEST_CASE("nothing is handed over until every choice is admitted") {
  run_bench bench(2);
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a, 0);
  bench.chunk(worker_a, 0, 0);
  bench.finish(worker_a, messages::finish_reason::stop, 0);
  CHECK(bench.sink->chunks() == 0);
  SECTION("then it comes in order") {
    bench.admit(worker_a, 1);
    CHECK(bench.sink->started() == 1);
    CHECK(bench.sink->text(0) == "x");
    bench.finish(worker_a, messages::finish_reason::stop, 1);
    CHECK(bench.sink->complete());
  }
  SECTION("a choice that is refused for good fails the request cleanly") {
    bench.refuse(worker_a, errc::overloaded, 1);
    bench.no_place(errc::overloaded);
    CHECK(bench.failure() == errc::overloaded);
    CHECK(bench.sink->chunks() == 0);
  }
}

TEST_CASE("choices spread: only those that were refused go to the next worker") {
  run_bench bench(3);
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a, 0);
  bench.refuse(worker_a, errc::overloaded, 1);
  bench.refuse(worker_a, errc::overloaded, 2);
  CHECK(bench.port.releases.empty()); // choice 0 runs there
  bench.place(worker_b);
  CHECK(bench.port.infers.size() == 5);
  CHECK(bench.port.infers[3].first == worker_b);
  CHECK(bench.port.infers[3].second.choice == 1);
}

TEST_CASE("credit goes back a quarter of the window at a time") {
  run_bench bench;
  bench.lease();
  bench.place(worker_a);
  bench.admit(worker_a);
  bench.run->on_chunks_taken(0, 7);
  CHECK(bench.port.grants.empty());
  bench.run->on_chunks_taken(0, 2);
  REQUIRE(bench.port.grants.size() == 1);
  CHECK(bench.port.grants[0].first == worker_a);
  CHECK(bench.port.grants[0].second.chunks == 9);
}

TEST_CASE("a client that leaves cancels every worker at once and hears no more") {
  run_bench bench(2);
  bench.lease();
  bench.place(worker_a);
  SECTION("before admission") {}
  SECTION("after admission") { bench.admit(worker_a, 0), bench.admit(worker_a, 1); }
  SECTION("amid the text") {
    bench.admit(worker_a, 0), bench.admit(worker_a, 1);
    bench.chunk(worker_a, 0);
  }
  auto const heard = bench.sink->chunks();
  bench.run->abandon(bench.now);
  CHECK(bench.port.cancels == std::vector{worker_a});
  CHECK(bench.port.releases == std::vector{worker_a});
  bench.chunk(worker_a, 1);
  bench.finish(worker_a);
  CHECK(bench.sink->chunks() == heard);
  CHECK_FALSE(bench.sink->over());
  CHECK(bench.run->figures().code == errc::cancelled);
}

TEST_CASE("a client that leaves before the lease is open leaves nothing behind") {
  run_bench bench;
  bench.run->abandon(bench.now);
  bench.lease();
  CHECK(bench.port.placements.empty());
  CHECK(bench.run->lease_asked());
}

TEST_CASE("a client that leaves while a placement is awaited gives it back") {
  run_bench bench;
  bench.lease();
  bench.run->abandon(bench.now);
  bench.place(worker_a);
  CHECK(bench.port.releases == std::vector{worker_a});
  CHECK(bench.port.infers.empty());
}
