#include "actors/gateway/gateway.hpp"

#include "tests/actors/answers.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;
using cluster::received;

namespace {

struct receipt_ear final : actors::receipt_sink {
  void deliver(messages::receipt_answer got) override {
    std::lock_guard const lock(mutex);
    answers.push_back(std::move(got));
  }
  void unreachable() override { unanswered = true; }
  std::size_t count() const {
    std::lock_guard const lock(mutex);
    return answers.size();
  }
  mutable std::mutex mutex;
  std::vector<messages::receipt_answer> answers;
  std::atomic<bool> unanswered{false};
};

struct gateway_bench {
  explicit gateway_bench(std::uint32_t max_in_flight = 1024) {
    actors::gateway_options options;
    options.self = node_id{100};
    options.models = {*name::parse("tiny")};
    options.view = view;
    options.max_in_flight = max_in_flight;
    options.now = [] { return deadline(std::chrono::nanoseconds(clock.load())); };
    gateway = actors::spawn_gateway(system, std::move(options));
    for (auto const& peer : {scheduler, retention, worker, operations}) caf::anon_send(gateway, joined(peer));
  }
  ~gateway_bench() { caf::anon_send_exit(gateway, caf::exit_reason::user_shutdown); }

  template <class M>
  void say(std::shared_ptr<recording_peer> const& from, M message) {
    caf::anon_send(gateway, received<M>{from, std::make_shared<M const>(std::move(message))});
  }
  std::shared_ptr<recording_sink> submit(std::uint64_t serial) {
    auto sink = std::make_shared<recording_sink>();
    auto asked = generation_of(id(serial), completion("tiny", "hello", 8), sink);
    asked.ends_at = deadline(std::chrono::nanoseconds(clock.load())) + 60s;
    caf::anon_send(gateway, actors::submit{std::make_shared<actors::generation>(std::move(asked))});
    return sink;
  }
  /// Up to the worker.
  void place(std::uint64_t serial) {
    say(retention, messages::lease_opened{id(serial), 0});
    say(scheduler, messages::placement{id(serial), worker->node(), 0});
  }
  void report(bool draining = false) {
    messages::worker_report report;
    report.worker = worker->node();
    report.draining = draining;
    messages::model_load load;
    load.model = *name::parse("tiny");
    load.context_tokens = 512;
    report.models = {load};
    say(worker, report);
  }
  std::shared_ptr<receipt_ear> find(request_id request) {
    auto ear = std::make_shared<receipt_ear>();
    caf::anon_send(gateway, actors::find_receipt{request, account_id{77}, ear});
    return ear;
  }
  static request_id id(std::uint64_t serial) { return {{101}, serial}; }

  static inline std::atomic<std::int64_t> clock{1'000'000'000};
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<recording_peer> scheduler = make_peer(102, only(role::scheduler));
  std::shared_ptr<recording_peer> retention = make_peer(101, only(role::retention));
  std::shared_ptr<recording_peer> worker = make_peer(1, only(role::worker));
  std::shared_ptr<recording_peer> operations = make_peer(103, only(role::operations));
  std::shared_ptr<actors::gateway_view> view = std::make_shared<actors::gateway_view>();
  actors::gateway_actor gateway;
};

} // namespace

TEST_CASE("the gateway is ready once scheduler, retention and a worker for every model are linked") {
  gateway_bench bench;
  CHECK_FALSE(bench.view->read()->ready);
  bench.report();
  REQUIRE(eventually([&] { return bench.view->read()->ready; }));
  auto const view = bench.view->read();
  CHECK(view->retention == retention_id{101});
  REQUIRE(view->models.size() == 1);
  CHECK(view->models[0].workers == 1);
  CHECK(view->models[0].context_tokens == 512);
  SECTION("not without the worker") { caf::anon_send(bench.gateway, cluster::peer_left{node_id{1}}); }
  SECTION("not without the scheduler") { caf::anon_send(bench.gateway, cluster::peer_left{node_id{102}}); }
  SECTION("not without retention") { caf::anon_send(bench.gateway, cluster::peer_left{node_id{101}}); }
  SECTION("not with a worker that drains") { bench.report(true); }
  SECTION("not while it drains itself") { bench.say(bench.operations, messages::drain_order{true}); }
  CHECK(eventually([&] { return !bench.view->read()->ready; }));
}

TEST_CASE("beyond its limit the gateway answers overloaded, until a request ends") {
  gateway_bench bench(1);
  auto const first = bench.submit(1);
  REQUIRE(bench.retention->wait<messages::lease_opening>());
  auto const second = bench.submit(2);
  REQUIRE(second->wait_over());
  CHECK(second->failure()->code == errc::overloaded);
  CHECK(second->failure()->number == 1);
  caf::anon_send(bench.gateway, actors::abandon{gateway_bench::id(1)});
  bench.submit(3);
  CHECK(bench.retention->wait<messages::lease_opening>(2)->request == gateway_bench::id(3));
}

TEST_CASE("a draining gateway takes nothing new and finishes what runs") {
  gateway_bench bench;
  auto const running = bench.submit(1);
  bench.place(1);
  bench.say(bench.worker, messages::admission{gateway_bench::id(1), 0, 0, 0, 5});
  bench.say(bench.operations, messages::drain_order{true});
  auto const refused = bench.submit(2);
  REQUIRE(refused->wait_over());
  CHECK(refused->failure()->code == errc::draining);
  messages::finished done;
  done.request = gateway_bench::id(1);
  done.reason = messages::finish_reason::stop;
  bench.say(bench.worker, done);
  REQUIRE(running->wait_over());
  CHECK(running->complete());
}

TEST_CASE("whose process ends, a gateway's answers end with it, and their workers and leases hear of it") {
  gateway_bench bench;
  auto const running = bench.submit(1);
  bench.place(1);
  REQUIRE(bench.worker->wait<messages::infer>());
  CHECK(bench.view->open_requests == 1);
  caf::anon_send(bench.gateway, actors::end_answers{});
  REQUIRE(running->wait_over());
  CHECK(running->failure()->code == errc::draining);
  CHECK(bench.worker->wait<messages::cancel>());
  CHECK(bench.view->open_requests == 1); // until its session has told its client
  caf::anon_send(bench.gateway, actors::answer_over{gateway_bench::id(1), 7, 503});
  REQUIRE(bench.retention->wait<messages::lease_closing>());
  CHECK(eventually([&] { return bench.view->open_requests == 0; }));
}

TEST_CASE("a worker's wipe is passed on to retention, for requests that are over too") {
  gateway_bench bench;
  messages::finished done;
  done.request = gateway_bench::id(9);
  done.choice = 2;
  done.wiped_bytes = 4000;
  done.wiped_at_unix_ms = 12;
  bench.say(bench.worker, done);
  auto const wiped = bench.retention->wait<messages::holder_wiped>();
  REQUIRE(wiped);
  CHECK(wiped->holder == node_id{1});
  CHECK(wiped->choice == 2);
  CHECK(wiped->bytes == 4000);
  CHECK(wiped->at_unix_ms == 12);
}

TEST_CASE("a refused admission is a wipe of nothing") {
  gateway_bench bench;
  bench.submit(1);
  bench.place(1);
  REQUIRE(bench.worker->wait<messages::infer>());
  bench.say(bench.worker, messages::admission{gateway_bench::id(1), 0, 100, 0, 0});
  auto const wiped = bench.retention->wait<messages::holder_wiped>();
  REQUIRE(wiped);
  CHECK(wiped->bytes == 0);
  CHECK(bench.scheduler->wait<messages::placement_release>()->worker == node_id{1});
}

TEST_CASE("an answer that is over closes its lease with the session's bytes") {
  gateway_bench bench;
  bench.submit(1);
  REQUIRE(bench.retention->wait<messages::lease_opening>());
  caf::anon_send(bench.gateway, actors::answer_over{gateway_bench::id(1), 3000, 200});
  auto const closing = bench.retention->wait<messages::lease_closing>();
  REQUIRE(closing);
  CHECK(closing->gateway_bytes == 3000);
}

TEST_CASE("a forced lease that the gateway does not know holds nothing here") {
  gateway_bench bench;
  bench.say(bench.retention, messages::lease_forced{gateway_bench::id(9)});
  auto const closing = bench.retention->wait<messages::lease_closing>();
  REQUIRE(closing);
  CHECK(closing->request == gateway_bench::id(9));
  CHECK(closing->gateway_bytes == 0);
}

TEST_CASE("without retention a closing waits for its return") {
  gateway_bench bench;
  bench.submit(1);
  REQUIRE(bench.retention->wait<messages::lease_opening>());
  caf::anon_send(bench.gateway, cluster::peer_left{bench.retention->node()});
  caf::anon_send(bench.gateway, actors::answer_over{gateway_bench::id(1), 3000, 200});
  auto const another = make_peer(104, only(role::retention));
  caf::anon_send(bench.gateway, joined(another));
  CHECK(another->wait<messages::lease_closing>());
}

TEST_CASE("operations hears of requests each second") {
  gateway_bench bench;
  bench.submit(1);
  bench.submit(2);
  caf::anon_send(bench.gateway, actors::abandon{gateway_bench::id(2)});
  caf::anon_send(bench.gateway, cluster::tick{});
  auto const report = bench.operations->wait<messages::gateway_report>();
  REQUIRE(report);
  CHECK(report->gateway == node_id{100});
  CHECK(report->requests == 2);
  CHECK(report->running == 1);
  CHECK(report->cancelled == 1);
}

TEST_CASE("a receipt is asked of the retention peer that its id names") {
  gateway_bench bench;
  auto const other = make_peer(104, only(role::retention));
  caf::anon_send(bench.gateway, joined(other));
  auto const ear = bench.find(gateway_bench::id(5));
  auto const query = bench.retention->wait<messages::receipt_query>();
  REQUIRE(query);
  CHECK(query->account == account_id{77});
  messages::receipt_answer answer;
  answer.correlation = query->correlation;
  answer.request = query->request;
  answer.state = messages::receipt_state::final;
  bench.say(bench.retention, answer);
  REQUIRE(eventually([&] { return ear->count() == 1; }));
  CHECK(ear->answers[0].state == messages::receipt_state::final);
  CHECK(other->size() == 0);
}

TEST_CASE("a receipt of an instance that is gone is asked of all, and unknown only if all say so") {
  gateway_bench bench;
  auto const other = make_peer(104, only(role::retention));
  caf::anon_send(bench.gateway, joined(other));
  auto const ear = bench.find({{999}, 5});
  auto const query = bench.retention->wait<messages::receipt_query>();
  REQUIRE(other->wait<messages::receipt_query>());
  messages::receipt_answer answer;
  answer.correlation = query->correlation;
  answer.request = query->request;
  bench.say(bench.retention, answer);
  SECTION("the other knows") { answer.state = messages::receipt_state::open; }
  SECTION("the other does not") {}
  bench.say(other, answer);
  REQUIRE(eventually([&] { return ear->count() == 1; }));
  CHECK(ear->answers[0].state == answer.state);
}

TEST_CASE("whether there is a receipt that nobody answers for is not known") {
  gateway_bench bench;
  auto const ear = bench.find(gateway_bench::id(5));
  REQUIRE(bench.retention->wait<messages::receipt_query>());
  SECTION("when patience ends") {
    gateway_bench::clock += std::chrono::nanoseconds(3s).count();
    caf::anon_send(bench.gateway, cluster::tick{});
  }
  SECTION("when the asked one leaves") { caf::anon_send(bench.gateway, cluster::peer_left{node_id{101}}); }
  CHECK(eventually([&] { return ear->unanswered.load(); }));
  CHECK(ear->count() == 0);
}

TEST_CASE("without a retention peer no receipt can be asked for") {
  gateway_bench bench;
  caf::anon_send(bench.gateway, cluster::peer_left{node_id{101}});
  auto const ear = bench.find(gateway_bench::id(5));
  CHECK(eventually([&] { return ear->unanswered.load(); }));
}

TEST_CASE("a request whose scheduler dies is placed by another") {
  gateway_bench bench;
  bench.submit(1);
  bench.say(bench.retention, messages::lease_opened{gateway_bench::id(1), 0});
  REQUIRE(bench.scheduler->wait<messages::placement_request>());
  caf::anon_send(bench.gateway, cluster::peer_left{bench.scheduler->node()});
  auto const other = make_peer(105, only(role::scheduler));
  caf::anon_send(bench.gateway, joined(other));
  gateway_bench::clock += std::chrono::nanoseconds(1s).count();
  caf::anon_send(bench.gateway, cluster::tick{});
  CHECK(other->wait<messages::placement_request>());
}
