#include "actors/operations/metrics.hpp"
#include "actors/operations/operations.hpp"
#include "actors/operations/status_board.hpp"

#include "tests/actors/recording_peer.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;
using namespace mayfly::testing;

namespace {

messages::member member_of(std::uint64_t node) {
  messages::member member;
  member.node = node_id{node};
  return member;
}

messages::worker_report report_of(std::uint64_t node, std::uint64_t decoded) {
  messages::worker_report report;
  report.worker = node_id{node};
  messages::model_load load;
  load.model = *name::parse("tiny");
  load.decode_tokens = decoded;
  load.prefill_tokens = 10 * decoded;
  load.device_bytes = node << 30;
  report.models = {load};
  return report;
}

} // namespace

TEST_CASE("tokens per second are counted over the window and over all workers") {
  status_board board;
  deadline now{1h};
  board.joined(member_of(1));
  board.joined(member_of(2));
  for (std::uint64_t turn = 0; turn <= 50; ++turn, now += 200ms) {
    board.reported(report_of(1, turn * 20), now);
    board.reported(report_of(2, turn * 40), now);
  }
  auto const status = board.status(now);
  CHECK(status.decode_tokens_per_second == Approx(300));
  CHECK(status.prefill_tokens_per_second == Approx(3000));
}

TEST_CASE("a worker that fell silent makes no tokens") {
  status_board board;
  deadline now{1h};
  board.joined(member_of(1));
  board.reported(report_of(1, 0), now);
  board.reported(report_of(1, 100), now + 1s);
  CHECK(board.status(now + 2s).decode_tokens_per_second == Approx(100));
  CHECK(board.status(now + 10s).decode_tokens_per_second == 0);
}

TEST_CASE("a node that is gone stays visible for a while, unlinked") {
  status_board board;
  deadline const now{1h};
  board.joined(member_of(1));
  board.left(node_id{1}, now);
  board.tick(now + 29s);
  REQUIRE(board.status(now).nodes.size() == 1);
  CHECK_FALSE(board.status(now).nodes[0].linked);
  CHECK(board.status(now + 12s).nodes[0].lost_for == 12s);
  board.tick(now + 30s);
  CHECK(board.status(now).nodes.empty());
}

TEST_CASE("reports of nodes that never joined are passed over") {
  status_board board;
  board.reported(report_of(1, 5), deadline{1h});
  CHECK(board.status(deadline{1h}).nodes.empty());
}

TEST_CASE("metrics name each family once, with help, type and samples") {
  status_board board;
  deadline const now{1h};
  board.joined(member_of(1));
  board.joined(member_of(2));
  board.reported(report_of(1, 5), now);
  board.reported(report_of(2, 6), now);
  messages::retention_report leases;
  leases.leases_open = 3;
  board.reported(node_id{2}, leases);
  auto const text = metrics_text(board.status(now));
  auto const family =
      text.find("# TYPE mayfly_worker_decode_tokens_total counter\n"
                "mayfly_worker_decode_tokens_total{node=\"0000000000000001\",model=\"tiny\"} 5\n"
                "mayfly_worker_decode_tokens_total{node=\"0000000000000002\",model=\"tiny\"} 6\n");
  CHECK(family != std::string::npos);
  CHECK(text.find("mayfly_worker_device_bytes{node=\"0000000000000002\",model=\"tiny\"} 2147483648\n") !=
        std::string::npos);
  CHECK(text.find("mayfly_leases_open{node=\"0000000000000002\"} 3\n") != std::string::npos);
  CHECK(text.find("mayfly_tokens_per_second{phase=\"decode\"} 0\n") != std::string::npos);
  CHECK(text.find("# TYPE mayfly_leases_open") == text.rfind("# TYPE mayfly_leases_open"));
  CHECK(text.back() == '\n');
}

TEST_CASE("operations answers with what was reported to it") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto const operations = spawn_operations(system);
  auto const worker = make_peer(1, only(role::worker));
  auto const gateway = make_peer(2, only(role::gateway));
  caf::anon_send(operations, joined(worker));
  caf::anon_send(operations, joined(gateway));
  caf::anon_send(operations, cluster::received<messages::worker_report>{
                                 worker, std::make_shared<messages::worker_report const>(report_of(1, 5))});
  messages::gateway_report requests;
  requests.gateway = gateway->node();
  requests.requests = 12;
  caf::anon_send(operations, cluster::received<messages::gateway_report>{
                                 gateway, std::make_shared<messages::gateway_report const>(requests)});
  caf::scoped_actor self{system};
  std::shared_ptr<cluster_status const> status;
  self->request(operations, caf::infinite, status_query{})
      .receive([&](std::shared_ptr<cluster_status const> const& got) { status = got; },
               [](caf::error const&) {});
  REQUIRE(status);
  REQUIRE(status->nodes.size() == 2);
  CHECK(status->nodes[0].worker->models[0].decode_tokens == 5);
  CHECK(status->nodes[1].gateway->requests == 12);
  caf::anon_send_exit(operations, caf::exit_reason::user_shutdown);
}
