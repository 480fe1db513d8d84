#include "actors/scheduler/cluster_view.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;
using namespace std::chrono_literals;

namespace {

constexpr node_id worker{1};
name const model = *name::parse("tiny");

struct view_bench {
  view_bench() {
    view.joined(worker);
    report(0);
  }
  void report(std::uint32_t running, std::uint32_t free_blocks = 64) {
    messages::worker_report message;
    message.worker = worker;
    messages::model_load load;
    load.model = model;
    load.running = running;
    load.max_running = 8;
    load.kv_blocks = 64;
    load.kv_blocks_free = free_blocks;
    load.kv_block_tokens = 16;
    message.models = {load};
    view.reported(message, now);
  }
  candidate only() const {
    auto const found = view.candidates(model);
    REQUIRE(found.size() == 1);
    return found[0];
  }
  static request_id request(std::uint64_t serial) { return {{9}, serial}; }

  cluster_view view;
  deadline now{1h};
};

} // namespace

TEST_CASE("a worker is known once it joined and reported") {
  cluster_view view;
  CHECK(view.candidates(model).empty());
  view_bench bench;
  CHECK(bench.only().worker == worker);
  CHECK(bench.only().kv_tokens == 1024);
  CHECK(bench.view.candidates(*name::parse("other")).empty());
}

TEST_CASE("a report of a node that is not linked is passed over") {
  view_bench bench;
  bench.view.left(worker);
  bench.report(0);
  CHECK(bench.view.candidates(model).empty());
}

TEST_CASE("a placement counts until a report shows it") {
  view_bench bench;
  bench.view.placed(view_bench::request(1), worker, model, 100, bench.now);
  CHECK(bench.only().sequences == 1);
  CHECK(bench.only().kv_tokens_free == 924);
  SECTION("a report that was on its way does not") {
    bench.now += 10ms;
    bench.report(0);
    CHECK(bench.only().sequences == 1);
  }
  SECTION("one that follows does") {
    bench.now += 200ms;
    bench.report(1, 57);
    CHECK(bench.only().sequences == 1);
    CHECK(bench.only().kv_tokens_free == 57 * 16);
  }
}

TEST_CASE("a released placement counts no more") {
  view_bench bench;
  bench.view.placed(view_bench::request(1), worker, model, 100, bench.now);
  bench.view.placed(view_bench::request(2), worker, model, 100, bench.now);
  bench.view.released(view_bench::request(1), worker);
  CHECK(bench.only().sequences == 1);
}

TEST_CASE("more placements than the cache holds leave nothing free, not less than nothing") {
  view_bench bench;
  for (std::uint64_t serial = 1; serial <= 3; ++serial)
    bench.view.placed(view_bench::request(serial), worker, model, 600, bench.now);
  CHECK(bench.only().kv_tokens_free == 0);
}

TEST_CASE("a silent worker is asked no more until it reports again") {
  view_bench bench;
  bench.now += 2s;
  bench.view.tick(bench.now);
  CHECK(bench.view.candidates(model).empty());
  bench.report(0);
  CHECK(bench.view.candidates(model).size() == 1);
}

TEST_CASE("a placement whose release never comes is forgotten") {
  view_bench bench;
  bench.view.placed(view_bench::request(1), worker, model, 100, bench.now);
  bench.now += 15min;
  bench.view.tick(bench.now);
  bench.report(0);
  CHECK(bench.only().sequences == 0);
}
