#include "actors/retention/retention.hpp"

#include "actors/retention/memory_receipt_store.hpp"
#include "protocol/crypto/receipt_signature.hpp"
#include "tests/actors/recording_peer.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;
using cluster::received;
using messages::receipt_state;

namespace {

struct retention_bench {
  explicit retention_bench(std::shared_ptr<actors::receipt_store> kept = nullptr)
      : store(kept ? std::move(kept) : std::make_shared<actors::memory_receipt_store>()) {
    actors::retention_options options;
    options.self = node_id{100};
    options.store = store;
    options.receipt_seed = ephemeral_bytes::zeros(32);
    options.pseudonym_key = ephemeral_bytes::zeros(32);
    options.now = [] { return deadline(std::chrono::nanoseconds(clock.load())); };
    retention = *actors::spawn_retention(system, std::move(options));
    for (auto const& peer : {gateway, worker, operations}) caf::anon_send(retention, joined(peer));
  }
  ~retention_bench() { caf::anon_send_exit(retention, caf::exit_reason::user_shutdown); }

  template <class M>
  void say(M message) {
    caf::anon_send(retention, received<M>{gateway, std::make_shared<M const>(std::move(message))});
  }
  void open(std::uint64_t serial, std::chrono::milliseconds time = 60s) {
    messages::lease_opening opening;
    opening.request = {{100}, serial};
    opening.account = account_id{77};
    opening.model = *name::parse("tiny");
    opening.time_left = time;
    opening.gateway = gateway->node();
    say(std::move(opening));
  }
  void hold(std::uint64_t serial) { say(messages::holder_registered{{{100}, serial}, worker->node(), 0}); }
  void wipe(std::uint64_t serial) { say(messages::holder_wiped{{{100}, serial}, worker->node(), 0, 9, 10}); }
  void close(std::uint64_t serial) { say(messages::lease_closing{{{100}, serial}, 9, 10}); }
  void ask(std::uint64_t serial, std::chrono::milliseconds how_long = 2s, std::uint64_t account = 77) {
    say(messages::receipt_query{++asked, {{100}, serial}, account_id{account}, how_long});
  }
  /// The actor has taken all that was said, then time passes.
  void pass(std::chrono::nanoseconds time) {
    ask(999);
    REQUIRE(answer());
    clock += time.count();
    caf::anon_send(retention, cluster::tick{});
  }
  /// To the latest question; null if none ever comes.
  std::shared_ptr<messages::receipt_answer const> answer() { return answer_to(asked); }
  std::shared_ptr<messages::receipt_answer const> answer_to(std::uint64_t correlation) {
    std::shared_ptr<messages::receipt_answer const> found;
    eventually([&] {
      for (auto const& each : gateway->all<messages::receipt_answer>())
        if (each->correlation == correlation) found = each;
      return found != nullptr;
    });
    return found;
  }

  static inline std::atomic<std::int64_t> clock{1'000'000'000};
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<actors::receipt_store> store;
  std::shared_ptr<recording_peer> gateway = make_peer(200, only(role::gateway));
  std::shared_ptr<recording_peer> worker = make_peer(1, only(role::worker));
  std::shared_ptr<recording_peer> operations = make_peer(300, only(role::operations));
  std::uint64_t asked = 0;
  actors::retention_actor retention;
};

} // namespace

TEST_CASE("a lease's record lasts before the gateway hears that it is open") {
  retention_bench bench;
  bench.open(1);
  auto const opened = bench.gateway->wait<messages::lease_opened>();
  REQUIRE(opened);
  CHECK(opened->code == 0);
  CHECK((*bench.store->open_leases()).size() == 1);
}

TEST_CASE("a registration lasts a tick later") {
  retention_bench bench;
  bench.open(1);
  bench.hold(1);
  bench.pass(1ms);
  bench.pass(1ms);
  auto const open = *bench.store->open_leases();
  REQUIRE(open.size() == 1);
  REQUIRE(open[0].holders.size() == 1);
  CHECK(open[0].holders[0].holder == bench.worker->node());
}

TEST_CASE("a lease that the policy forbids is refused") {
  retention_bench bench;
  messages::lease_opening opening;
  opening.request = {{100}, 1};
  opening.policy = messages::retention_policy::debug;
  bench.say(opening);
  auto const opened = bench.gateway->wait<messages::lease_opened>();
  REQUIRE(opened);
  CHECK(opened->code == static_cast<std::uint16_t>(errc::retention_refused));
}

TEST_CASE("a closed lease gives a signed receipt under a pseudonym") {
  retention_bench bench;
  bench.open(1);
  bench.hold(1);
  bench.wipe(1);
  bench.close(1);
  bench.ask(1);
  auto const answer = bench.answer();
  REQUIRE(answer);
  REQUIRE(answer->state == receipt_state::final);
  CHECK(crypto::verify(*answer->receipt).has_value());
  CHECK(answer->receipt->body.confirmed);
  CHECK(answer->receipt->body.account != messages::bytes32{});
  CHECK(answer->head == crypto::chain_hash(*answer->receipt));
}

TEST_CASE("a query waits for a lease that is about to close") {
  retention_bench bench;
  bench.open(1);
  bench.ask(1);
  bench.pass(1s);
  bench.pass(0s);                                                    // the tick is through
  CHECK(bench.gateway->all<messages::receipt_answer>().size() == 2); // to pass's own questions
  bench.close(1);
  CHECK(bench.answer_to(1)->state == receipt_state::final);
}

TEST_CASE("a query does not wait longer than its patience") {
  retention_bench bench;
  bench.open(1);
  bench.ask(1);
  bench.pass(2s);
  CHECK(bench.answer_to(1)->state == receipt_state::open);
  bench.ask(1, 0ms);
  CHECK(bench.answer()->state == receipt_state::open);
}

TEST_CASE("another account's lease is unknown, open or closed") {
  retention_bench bench;
  bench.open(1);
  bench.ask(1, 2s, 78);
  CHECK(bench.answer()->state == receipt_state::unknown);
  bench.close(1);
  bench.ask(1, 2s, 78);
  CHECK(bench.answer()->state == receipt_state::unknown);
  bench.ask(2);
  CHECK(bench.answer()->state == receipt_state::unknown);
}

TEST_CASE("a lease past its deadline is forced at its holders, then given up, then amended") {
  retention_bench bench;
  bench.open(1, 5s);
  bench.hold(1);
  bench.close(1);
  bench.ask(1, 0ms);
  REQUIRE(bench.answer()->state == receipt_state::open);
  bench.pass(5s);
  REQUIRE(bench.worker->wait<messages::lease_forced>());
  CHECK(bench.gateway->all<messages::lease_forced>().empty());
  bench.pass(2s);
  bench.ask(1);
  auto const given_up = bench.answer();
  REQUIRE(given_up->state == receipt_state::final);
  CHECK_FALSE(given_up->receipt->body.confirmed);
  CHECK(given_up->receipt->body.violation);
  bench.wipe(1);
  bench.ask(1);
  auto const amended = bench.answer();
  REQUIRE(amended->state == receipt_state::final);
  CHECK(amended->receipt->body.confirmed);
  CHECK(amended->receipt->body.counter == 2);
  std::vector const chain{*given_up->receipt, *amended->receipt};
  CHECK(crypto::verify_chain(chain).has_value());
}

TEST_CASE(
    "a holder that was away when its lease was forced is asked when it returns, until it accounted for it") {
  retention_bench bench;
  bench.open(1, 5s);
  bench.hold(1);
  bench.close(1);
  caf::anon_send(bench.retention, cluster::peer_left{bench.worker->node()});
  bench.pass(5s);
  bench.pass(2s);
  bench.ask(1);
  REQUIRE_FALSE(bench.answer()->receipt->body.confirmed);
  CHECK(bench.worker->all<messages::lease_forced>().empty());
  caf::anon_send(bench.retention, joined(bench.worker));
  REQUIRE(bench.worker->wait<messages::lease_forced>());
  CHECK(bench.worker->all<messages::lease_forced>()[0]->request == request_id{{100}, 1});
  bench.wipe(1);
  caf::anon_send(bench.retention, joined(bench.worker));
  bench.ask(1);
  CHECK(bench.answer()->receipt->body.confirmed);
  CHECK(bench.worker->all<messages::lease_forced>().size() == 1);
}

TEST_CASE("a peer that merely left may still hold; one whose process ended does not") {
  retention_bench bench;
  bench.open(1);
  bench.hold(1);
  bench.close(1);
  caf::anon_send(bench.retention, cluster::peer_left{node_id{1}});
  bench.ask(1, 0ms);
  CHECK(bench.answer()->state == receipt_state::open);
  caf::anon_send(bench.retention, cluster::process_exited{node_id{1}, 5});
  bench.ask(1);
  auto const answer = bench.answer();
  REQUIRE(answer->state == receipt_state::final);
  CHECK(answer->receipt->body.holders[1].state == messages::wipe_state::exited);
}

TEST_CASE("operations hears of leases each second") {
  retention_bench bench;
  bench.open(1);
  bench.open(2);
  bench.close(2);
  bench.pass(1s);
  auto const report = bench.operations->wait<messages::retention_report>();
  REQUIRE(report);
  CHECK(report->leases_open == 1);
  CHECK(report->leases_closed == 1);
}

TEST_CASE("leases that an earlier run left open are taken over") {
  auto const store = std::make_shared<actors::memory_receipt_store>();
  actors::lease_record record;
  record.request = {{55}, 9};
  record.gateway = record.keeper = node_id{55}; // one process, gone
  record.ends_at_unix_ms = unix_milliseconds() + 60'000;
  record.holders = {{record.request, node_id{1}, 0}};
  REQUIRE(store->put_lease(record).has_value());
  REQUIRE(store->commit().has_value());
  retention_bench bench(store);
  bench.say(messages::holder_wiped{record.request, node_id{1}, 0, 5, 10});
  REQUIRE(eventually([&] {
    bench.pass(0s);
    bench.pass(1s);
    auto const reports = bench.operations->all<messages::retention_report>();
    return !reports.empty() && reports.back()->leases_closed == 1;
  }));
}

TEST_CASE("keys of a wrong length stop retention at the start") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  actors::retention_options options;
  options.store = std::make_shared<actors::memory_receipt_store>();
  options.receipt_seed = ephemeral_bytes::zeros(31);
  options.pseudonym_key = ephemeral_bytes::zeros(32);
  CHECK(actors::spawn_retention(system, std::move(options)).failure().code == errc::malformed);
}
