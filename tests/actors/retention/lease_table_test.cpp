#include "actors/retention/lease_table.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;
using namespace std::chrono_literals;
using messages::wipe_state;

namespace {

constexpr node_id gateway{100}, worker_a{1}, worker_b{2};
constexpr request_id request{{100}, 7};

struct lease_bench {
  void open(std::chrono::milliseconds time = 60s) { REQUIRE(table.open(record(), now + time).has_value()); }
  static lease_record record() {
    lease_record fresh;
    fresh.request = request;
    fresh.model = *name::parse("tiny");
    fresh.gateway = fresh.keeper = gateway;
    fresh.opened_at_unix_ms = 500;
    return fresh;
  }
  void hold(node_id holder, std::uint32_t choice = 0) {
    table.register_holder({request, holder, choice}, 600);
  }
  auto wipe(node_id holder, std::uint32_t choice = 0, std::uint64_t bytes = 1) {
    return table.wiped({request, holder, choice, bytes, 700}, 800);
  }
  auto close(std::uint64_t bytes = 1025) { return table.closing({request, bytes, 710}, 800); }

  lease_table table{2000ms};
  deadline now{1h};
};

} // namespace

TEST_CASE("receipts show sizes rounded up to a kibibyte") {
  CHECK(rounded_bytes(0) == 0);
  CHECK(rounded_bytes(1) == 1024);
  CHECK(rounded_bytes(1024) == 1024);
  CHECK(rounded_bytes(1025) == 2048);
}

TEST_CASE("only the policy none is served") {
  lease_bench bench;
  auto record = lease_bench::record();
  record.policy = messages::retention_policy::session;
  CHECK(bench.table.open(record, bench.now).failure().code == errc::retention_refused);
  CHECK(bench.table.size() == 0);
}

TEST_CASE("a request's id opens one lease") {
  lease_bench bench;
  bench.open();
  CHECK(bench.table.open(lease_bench::record(), bench.now + 1s).failure().code == errc::invalid_request);
}

TEST_CASE("a lease closes when the gateway and every holder have reported, in either order") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a);
  bench.hold(worker_b, 1);
  lease_table::receipts receipts;
  SECTION("holders first") {
    CHECK(bench.wipe(worker_a).empty());
    CHECK(bench.wipe(worker_b, 1).empty());
    receipts = bench.close();
  }
  SECTION("gateway first") {
    CHECK(bench.close().empty());
    CHECK(bench.wipe(worker_b, 1).empty());
    receipts = bench.wipe(worker_a);
  }
  REQUIRE(receipts.size() == 1);
  auto const& body = receipts[0];
  CHECK(body.confirmed);
  CHECK_FALSE(body.violation);
  CHECK(body.opened_at_unix_ms == 500);
  CHECK(body.closed_at_unix_ms == 800);
  REQUIRE(body.holders.size() == 3);
  CHECK(body.holders[0].holder == gateway);
  CHECK(body.holders[0].bytes == 2048);
  CHECK(body.holders[1].bytes == 1024);
  CHECK(bench.table.size() == 0);
}

TEST_CASE("two choices at one worker are two shares") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a, 0);
  bench.hold(worker_a, 1);
  bench.close();
  CHECK(bench.wipe(worker_a, 1).empty());
  CHECK(bench.wipe(worker_a, 1).empty()); // said twice
  CHECK(bench.wipe(worker_a, 0).size() == 1);
}

TEST_CASE("a holder may say at once that it holds none of its choices") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a, 0);
  bench.hold(worker_a, 1);
  CHECK(bench.close().empty());
  auto const receipts = bench.wipe(worker_a, messages::every_choice, 0);
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].confirmed);
  CHECK(receipts[0].holders.size() == 3);
}

TEST_CASE("a node that is gateway and worker has two shares") {
  lease_bench bench;
  bench.open();
  bench.hold(gateway);
  CHECK(bench.wipe(gateway).empty());
  CHECK(bench.close().size() == 1);
}

TEST_CASE("a process that exited holds no more") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a);
  bench.close();
  auto const receipts = bench.table.exited(worker_a, 650, 800);
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].confirmed);
  CHECK(receipts[0].holders[1].state == wipe_state::exited);
  CHECK(receipts[0].holders[1].at_unix_ms == 650);
}

TEST_CASE("a holder that is registered after its process's exit is known to be gone") {
  lease_bench bench;
  bench.open();
  bench.table.exited(worker_a, 650, 650);
  bench.hold(worker_a);
  CHECK(bench.close().size() == 1);
}

TEST_CASE("a gateway that exited closes its leases once the holders have reported") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a);
  CHECK(bench.table.exited(gateway, 650, 800).empty());
  auto const receipts = bench.wipe(worker_a);
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].holders[0].state == wipe_state::exited);
}

TEST_CASE("what a holder reported stands, though its process exits later") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a);
  bench.wipe(worker_a);
  bench.table.exited(worker_a, 900, 900);
  CHECK(bench.close()[0].holders[1].state == wipe_state::wiped);
}

TEST_CASE("a lease past its deadline is forced once, at those who have not reported") {
  lease_bench bench;
  bench.open(10s);
  bench.hold(worker_a);
  bench.hold(worker_b);
  bench.wipe(worker_a);
  CHECK(bench.table.tick(bench.now + 9s, 1000).forced.empty());
  auto const overdue = bench.table.tick(bench.now + 10s, 1000);
  REQUIRE(overdue.forced.size() == 1);
  CHECK(overdue.forced[0].holders == std::vector{gateway, worker_b});
  CHECK(overdue.unconfirmed.empty());
  CHECK(bench.table.tick(bench.now + 11s, 1000).forced.empty());
  CHECK(bench.table.violations() == 1);
}

TEST_CASE("once an answer is over, holders that stay silent are asked again and again, and none has failed") {
  lease_bench bench;
  bench.open();
  bench.hold(worker_a);
  bench.hold(worker_b);
  CHECK(bench.table.tick(bench.now + 10s, 900).asked.empty()); // the answer goes on
  CHECK(bench.close().empty());
  bench.wipe(worker_a);
  auto const over = bench.now + 11s;
  CHECK(bench.table.tick(over, 900).asked.empty());
  CHECK(bench.table.tick(over + 1999ms, 900).asked.empty());
  for (auto const after : {2s, 4s}) {
    auto const due = bench.table.tick(over + after, 900);
    CHECK(due.forced.empty());
    REQUIRE(due.asked.size() == 1);
    CHECK(due.asked[0].request == request);
    CHECK(due.asked[0].holders == std::vector{worker_b});
    CHECK(bench.table.tick(over + after + 1s, 900).asked.empty());
  }
  auto const receipts = bench.wipe(worker_b, 0, 0);
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].confirmed);
  CHECK_FALSE(receipts[0].violation);
  CHECK(bench.table.violations() == 0);
}

TEST_CASE("a forced lease whose holders report in time is a violation that is confirmed") {
  lease_bench bench;
  bench.open(10s);
  bench.hold(worker_a);
  bench.table.tick(bench.now + 10s, 1000);
  bench.wipe(worker_a);
  auto const receipts = bench.close();
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].violation);
  CHECK(receipts[0].confirmed);
  CHECK(bench.table.unconfirmed() == 0);
}

TEST_CASE("a holder that stays silent leaves an unconfirmed receipt and an open violation") {
  lease_bench bench;
  bench.open(10s);
  bench.hold(worker_a);
  bench.close();
  bench.table.tick(bench.now + 10s, 1000);
  CHECK(bench.table.tick(bench.now + 11900ms, 1000).unconfirmed.empty());
  auto const overdue = bench.table.tick(bench.now + 12s, 1000);
  REQUIRE(overdue.unconfirmed.size() == 1);
  CHECK_FALSE(overdue.unconfirmed[0].confirmed);
  CHECK(overdue.unconfirmed[0].holders[0].state == wipe_state::wiped);
  CHECK(overdue.unconfirmed[0].holders[1].state == wipe_state::unconfirmed);
  CHECK(bench.table.tick(bench.now + 13s, 1000).unconfirmed.empty());
  CHECK(bench.table.size() == 1);
  CHECK(bench.table.unconfirmed() == 1);

  lease_table::receipts amended;
  SECTION("until it reports") { amended = bench.wipe(worker_a); }
  SECTION("until its process is known to have exited") { amended = bench.table.exited(worker_a, 2000, 2000); }
  REQUIRE(amended.size() == 1);
  CHECK(amended[0].confirmed);
  CHECK(amended[0].violation);
  CHECK(bench.table.unconfirmed() == 0);
  CHECK(bench.table.size() == 0);
}

TEST_CASE("a lease of an earlier run closes when its known holders report") {
  lease_bench bench;
  auto record = lease_bench::record();
  record.holders = {{request, worker_a, 0}};
  bench.table.recover(record, bench.now + 10s);
  CHECK(bench.table.exited(gateway, 650, 650).empty());
  auto const receipts = bench.wipe(worker_a);
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].confirmed);
}

TEST_CASE("a lease of an earlier run without known holders waits for a report, and is unconfirmed without") {
  lease_bench bench;
  bench.table.recover(lease_bench::record(), bench.now + 10s);
  CHECK(bench.table.exited(gateway, 650, 650).empty());
  SECTION("a worker reports") { CHECK(bench.wipe(worker_a).size() == 1); }
  SECTION("nobody does") {
    bench.table.tick(bench.now + 10s, 1000);
    CHECK(bench.table.tick(bench.now + 12s, 1000).unconfirmed.size() == 1);
  }
}

TEST_CASE("reports about unknown requests are passed over") {
  lease_bench bench;
  CHECK(bench.wipe(worker_a).empty());
  CHECK(bench.close().empty());
  CHECK_FALSE(bench.table.register_holder({request, worker_a, 0}, 0));
}
