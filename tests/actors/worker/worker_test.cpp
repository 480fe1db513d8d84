#include "actors/worker/worker.hpp"

#include "tests/actors/answers.hpp"
#include "tests/actors/scripted_engine.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;
using cluster::received;

namespace {

struct worker_bench {
  explicit worker_bench(engine_script script = {}) {
    actors::worker_options options;
    options.self = node_id{1};
    options.region = named("eu");
    options.watch = watch;
    options.models.push_back(scripted_model(script, traces, "one"));
    options.models.push_back(scripted_model(script, other_traces, "two"));
    options.now = [] { return deadline(std::chrono::nanoseconds(clock.load())); };
    worker = actors::spawn_worker(system, std::move(options));
    caf::anon_send(worker, joined(gateway));
  }
  ~worker_bench() { caf::anon_send_exit(worker, caf::exit_reason::user_shutdown); }

  template <class M>
  void say(M message) {
    caf::anon_send(worker, received<M>{gateway, std::make_shared<M const>(std::move(message))});
  }
  void ask(std::string_view model, std::uint32_t max_tokens, std::chrono::milliseconds time = 60s) {
    auto infer = completion(model, "hello", max_tokens);
    infer.request = {{100}, ++serial};
    infer.credit = 32;
    infer.time_left = time;
    say(std::move(infer));
  }

  static inline std::atomic<std::int64_t> clock{1};
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<engine_traces> traces = std::make_shared<engine_traces>();
  std::shared_ptr<engine_traces> other_traces = std::make_shared<engine_traces>();
  std::shared_ptr<actors::worker_watch> watch = std::make_shared<actors::worker_watch>();
  std::shared_ptr<recording_peer> gateway = make_peer(100, only(role::gateway));
  std::uint64_t serial = 0;
  actors::gpu_worker_actor worker;
};

} // namespace

TEST_CASE("a worker runs each request on the engine of its model") {
  worker_bench bench;
  bench.ask("one", 2);
  bench.ask("two", 2);
  bench.ask("two", 2);
  REQUIRE(bench.gateway->wait<messages::finished>(3));
  CHECK(bench.traces->submitted == 1);
  CHECK(bench.other_traces->submitted == 2);
}

TEST_CASE("a worker refuses a model that it does not serve") {
  worker_bench bench;
  bench.ask("three", 2);
  auto const admission = bench.gateway->wait<messages::admission>();
  REQUIRE(admission);
  CHECK(admission->code == static_cast<std::uint16_t>(errc::model_not_found));
}

TEST_CASE("a draining worker finishes what runs and takes nothing new") {
  worker_bench bench;
  bench.ask("one", 40);
  REQUIRE(bench.gateway->wait<messages::output_chunk>(32));
  bench.say(messages::drain_order{true});
  bench.ask("one", 2);
  auto const refused = bench.gateway->wait<messages::admission>(2);
  REQUIRE(refused);
  CHECK(refused->code == static_cast<std::uint16_t>(errc::draining));
  bench.say(messages::credit{{{100}, 1}, 0, 32});
  auto const finished = bench.gateway->wait<messages::finished>();
  REQUIRE(finished);
  CHECK(finished->completion_tokens == 40);
}

TEST_CASE("a worker reports to who joins, and then at each interval") {
  worker_bench bench;
  auto const first = bench.gateway->wait<messages::worker_report>();
  REQUIRE(first);
  CHECK(first->worker == node_id{1});
  CHECK(first->region == named("eu"));
  CHECK(first->backend == named("scripted"));
  REQUIRE(first->models.size() == 2);
  CHECK(first->models[1].model == named("two"));
  CHECK(first->models[1].context_tokens == 64);
  CHECK(first->resident_bytes > 0);
  caf::anon_send(bench.worker, cluster::tick{});
  REQUIRE(bench.gateway->wait<messages::worker_report>(2));
  caf::anon_send(bench.worker, cluster::tick{}); // too early for another
  worker_bench::clock += std::chrono::nanoseconds(200ms).count();
  caf::anon_send(bench.worker, cluster::tick{});
  REQUIRE(bench.gateway->wait<messages::worker_report>(3));
  bench.ask("three", 1);
  REQUIRE(bench.gateway->wait<messages::admission>()); // all ticks are through
  CHECK(bench.gateway->all<messages::worker_report>().size() == 3);
}

TEST_CASE("reports do not go to who has no use for them") {
  worker_bench bench;
  auto const retention = make_peer(101, only(role::retention));
  caf::anon_send(bench.worker, joined(retention));
  caf::anon_send(bench.worker, cluster::tick{});
  REQUIRE(bench.gateway->wait<messages::worker_report>(2));
  CHECK(retention->size() == 0);
}

TEST_CASE("a cancel reaches the engine between two steps") {
  worker_bench bench;
  bench.ask("one", 50);
  REQUIRE(bench.gateway->wait<messages::output_chunk>(1));
  bench.say(messages::cancel{{{100}, 1}});
  auto const finished = bench.gateway->wait<messages::finished>();
  REQUIRE(finished);
  CHECK(finished->reason == messages::finish_reason::cancelled);
  CHECK(bench.traces->cancelled == 1);
}

TEST_CASE("a forced lease is answered once, after every engine gave up what it held, or held nothing") {
  worker_bench bench;
  auto const retention = make_peer(200, only(role::retention));
  caf::anon_send(bench.worker, joined(retention));
  auto const nothing = [&] {
    std::size_t count = 0;
    for (auto const& each : retention->all<messages::holder_wiped>()) {
      count += each->choice == messages::every_choice && each->bytes == 0 ? 1U : 0U;
    }
    return count;
  };
  caf::anon_send(bench.worker,
                 received<messages::lease_forced>{retention, std::make_shared<messages::lease_forced const>(
                                                                 messages::lease_forced{{{100}, 77}})});
  REQUIRE(retention->wait<messages::holder_wiped>());
  CHECK(retention->all<messages::holder_wiped>().size() == 1);
  CHECK(nothing() == 1);
}

TEST_CASE("a request ends by the worker's own clock though nobody tells it") {
  worker_bench bench;
  bench.traces->hold = true;
  bench.ask("one", 50, 1ms);
  REQUIRE(bench.gateway->wait<messages::admission>());
  REQUIRE(eventually([&] {
    caf::anon_send(bench.worker, cluster::tick{});
    return !bench.gateway->all<messages::finished>().empty();
  }));
  auto const finished = bench.gateway->wait<messages::finished>();
  CHECK(finished->code == static_cast<std::uint16_t>(errc::deadline_exceeded));
}

TEST_CASE("a gateway that leaves, or whose process ends, takes its requests with it") {
  worker_bench bench;
  auto const retention = make_peer(101, only(role::retention));
  bench.ask("one", 50);
  REQUIRE(bench.gateway->wait<messages::output_chunk>(1));
  SECTION("it leaves") { caf::anon_send(bench.worker, cluster::peer_left{node_id{100}}); }
  SECTION("its process ends") { caf::anon_send(bench.worker, cluster::process_exited{node_id{100}, 5}); }
  caf::anon_send(bench.worker, joined(retention));
  auto const wiped = retention->wait<messages::holder_wiped>();
  REQUIRE(wiped);
  CHECK(wiped->request.serial == 1);
  CHECK(bench.gateway->all<messages::finished>().empty());
}

TEST_CASE("an engine that waits for work is not stuck, one amid a turn shows since when") {
  worker_bench bench;
  REQUIRE(eventually([&] { return bench.watch->longest_turn(boot_clock::now()) == 0ns; }));
  auto const pulse = bench.watch->add();
  pulse->busy_since = 1'000'000;
  CHECK(bench.watch->longest_turn(deadline(3ms)) == 2ms);
}
