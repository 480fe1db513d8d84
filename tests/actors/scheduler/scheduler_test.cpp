#include "actors/scheduler/scheduler.hpp"

#include "tests/actors/recording_peer.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>
#include <set>

using namespace mayfly;
using namespace mayfly::testing;
using cluster::received;

namespace {

struct scheduler_bench {
  scheduler_bench() : scheduler(actors::spawn_scheduler(system)) {
    for (auto const& worker : {worker_a, worker_b}) caf::anon_send(scheduler, joined(worker));
    report(worker_a, 0);
    report(worker_b, 0);
  }
  ~scheduler_bench() { caf::anon_send_exit(scheduler, caf::exit_reason::user_shutdown); }

  template <class M>
  void say(cluster::peer_ref const& from, M message) {
    caf::anon_send(scheduler, received<M>{from, std::make_shared<M const>(std::move(message))});
  }
  void report(std::shared_ptr<recording_peer> const& worker, std::uint32_t running) {
    messages::worker_report report;
    report.worker = worker->node();
    messages::model_load load;
    load.model = *name::parse("tiny");
    load.running = running;
    load.max_running = 2;
    report.models = {load};
    say(worker, report);
  }
  std::shared_ptr<messages::placement const> place(std::vector<node_id> excluded = {}) {
    messages::placement_request request;
    request.request = {{9}, ++serial};
    request.model = *name::parse("tiny");
    request.excluded = std::move(excluded);
    say(gateway, request);
    return gateway->wait<messages::placement>(serial);
  }

  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<recording_peer> worker_a = make_peer(1, only(role::worker));
  std::shared_ptr<recording_peer> worker_b = make_peer(2, only(role::worker));
  std::shared_ptr<recording_peer> gateway = make_peer(3, only(role::gateway));
  std::uint64_t serial = 0;
  actors::scheduler_actor scheduler;
};

} // namespace

TEST_CASE("the scheduler answers the gateway that asks") {
  scheduler_bench bench;
  auto const placement = bench.place();
  REQUIRE(placement);
  CHECK(placement->code == 0);
  CHECK(placement->request.serial == 1);
}

TEST_CASE("the scheduler counts what it placed before any report does") {
  scheduler_bench bench;
  std::multiset<std::uint64_t> chosen;
  for (int turn = 0; turn < 4; ++turn) chosen.insert(bench.place()->worker.value);
  CHECK(chosen.count(1) == 2);
  CHECK(chosen.count(2) == 2);
  CHECK(bench.place()->code == static_cast<std::uint16_t>(errc::overloaded));
}

TEST_CASE("a released placement makes room") {
  scheduler_bench bench;
  for (int turn = 0; turn < 4; ++turn) REQUIRE(bench.place()->code == 0);
  bench.say(bench.gateway, messages::placement_release{{{9}, 1}, bench.worker_a->node()});
  bench.say(bench.gateway, messages::placement_release{{{9}, 1}, bench.worker_b->node()});
  CHECK(bench.place()->code == 0);
}

TEST_CASE("a worker that left is not placed on") {
  scheduler_bench bench;
  caf::anon_send(bench.scheduler, cluster::peer_left{bench.worker_a->node()});
  CHECK(bench.place()->worker == bench.worker_b->node());
  CHECK(bench.place({bench.worker_b->node()})->code == static_cast<std::uint16_t>(errc::no_worker));
}
