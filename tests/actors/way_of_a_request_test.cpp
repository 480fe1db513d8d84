// Gateway, scheduler, retention and workers together, real actors, messages as bytes between nodes.
#include "protocol/crypto/receipt_signature.hpp"
#include "tests/actors/process_cluster.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;

namespace {

struct receipt_ear final : actors::receipt_sink {
  void deliver(messages::receipt_answer answer) override {
    std::lock_guard const lock(mutex);
    got = std::move(answer);
    changed.notify_all();
  }
  void unreachable() override {}
  std::optional<messages::receipt_answer> wait() {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, patience, [&] { return got.has_value(); });
    return got;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<messages::receipt_answer> got;
};

/// A front and some workers that run the scripted engine, linked and ready.
struct scripted_cluster : process_cluster {
  explicit scripted_cluster(std::size_t workers, engine_script script = {}) {
    add_front();
    for (std::size_t index = 0; index < workers; ++index) {
      traces.push_back(std::make_shared<engine_traces>());
      nodes.push_back(&add_worker(index + 1, scripted_model(script, traces.back())));
    }
    link();
    REQUIRE(eventually([&] { return view->read()->ready && view->read()->models[0].workers == workers; }));
  }
  std::optional<messages::receipt_answer> receipt(request_id request, account_id account = account_id{77}) {
    auto const ear = std::make_shared<receipt_ear>();
    caf::anon_send(ask, actors::find_receipt{request, account, ear});
    return ear->wait();
  }
  std::vector<std::shared_ptr<engine_traces>> traces;
  std::vector<process_node*> nodes;
};

} // namespace

TEST_CASE("a request is answered in the order that the engine generates") {
  scripted_cluster cluster(1);
  auto const sink = cluster.submit(cluster.new_request(), completion("scripted", "hello", 12));
  REQUIRE(sink->wait_over());
  REQUIRE(sink->complete());
  CHECK(sink->text() == "abcdefghijab");
  CHECK(sink->started() == 1);
  REQUIRE(sink->finished().size() == 1);
  CHECK(sink->finished()[0].reason == messages::finish_reason::length);
  CHECK(sink->finished()[0].prompt_tokens == 5);
  CHECK(sink->finished()[0].completion_tokens == 12);
}

TEST_CASE("an answered request leaves a receipt that names gateway and worker and verifies") {
  scripted_cluster cluster(1);
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 3));
  REQUIRE(sink->wait_over());
  cluster.over(request);
  auto const answer = cluster.receipt(request);
  REQUIRE(answer);
  REQUIRE(answer->state == messages::receipt_state::final);
  auto const& body = answer->receipt->body;
  CHECK(crypto::verify(*answer->receipt).has_value());
  CHECK(body.confirmed);
  CHECK_FALSE(body.violation);
  REQUIRE(body.holders.size() == 2);
  CHECK(body.holders[0].holder == node_id{100});
  CHECK(body.holders[0].bytes == 3072);
  CHECK(body.holders[1].holder == node_id{1});
  CHECK(body.holders[1].state == messages::wipe_state::wiped);
  CHECK(answer->head_counter == 1);
}

TEST_CASE("receipts of one node form a chain") {
  scripted_cluster cluster(1);
  std::vector<messages::signed_receipt> chain;
  for (int index = 0; index < 5; ++index) {
    auto const request = cluster.new_request();
    auto const sink = cluster.submit(request, completion("scripted", "hello", 2));
    REQUIRE(sink->wait_over());
    cluster.over(request);
    auto const answer = cluster.receipt(request);
    REQUIRE(answer->state == messages::receipt_state::final);
    chain.push_back(*answer->receipt);
  }
  CHECK(crypto::verify_chain(chain).has_value());
}

TEST_CASE("another account's receipt is unknown") {
  scripted_cluster cluster(1);
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 2));
  REQUIRE(sink->wait_over());
  cluster.over(request);
  CHECK(cluster.receipt(request)->state == messages::receipt_state::final);
  CHECK(cluster.receipt(request, account_id{78})->state == messages::receipt_state::unknown);
}

TEST_CASE("a client that leaves stops its sequence and still gets a receipt") {
  scripted_cluster cluster(1, {.context_tokens = 100000});
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 90000));
  REQUIRE(sink->wait_chunks(3));
  caf::anon_send(cluster.ask, actors::abandon{request});
  cluster.over(request);
  CHECK(cluster.receipt(request)->state == messages::receipt_state::final);
  CHECK(cluster.traces[0]->cancelled == 1);
  CHECK_FALSE(sink->over());
}

TEST_CASE("a client that takes nothing holds its sequence at the credit's end") {
  scripted_cluster cluster(1, {.context_tokens = 100000});
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 100));
  REQUIRE(sink->wait_chunks(32));
  auto const other = cluster.submit(cluster.new_request(), completion("scripted", "hello", 20));
  REQUIRE(other->wait_over()); // the engine went on for others
  CHECK(sink->chunks() == 32);
  for (int taken = 0; taken < 9; ++taken) caf::anon_send(cluster.ask, actors::chunks_taken{request, 0, 8});
  REQUIRE(sink->wait_over());
  CHECK(sink->chunks() == 100);
}

TEST_CASE("choices that do not fit one worker spread over two") {
  scripted_cluster cluster(2, {.max_sequences = 2});
  for (auto const& each : cluster.traces) each->hold = true;
  auto const sink = cluster.submit(cluster.new_request(), completion("scripted", "hello", 4), 4);
  REQUIRE(eventually([&] { return cluster.traces[0]->submitted + cluster.traces[1]->submitted == 4; }));
  for (auto const& each : cluster.traces) each->hold = false;
  for (auto* node : cluster.nodes) cluster.tell_all(*node, cluster::tick{}); // wakes the engines
  REQUIRE(sink->wait_over());
  REQUIRE(sink->complete());
  for (std::uint32_t choice = 0; choice < 4; ++choice) CHECK(sink->text(choice) == "abcd");
  CHECK(cluster.traces[0]->submitted == 2);
  CHECK(cluster.traces[1]->submitted == 2);
}

TEST_CASE("a prompt beyond the context is refused with the limit") {
  scripted_cluster cluster(2);
  auto const sink = cluster.submit(cluster.new_request(), completion("scripted", std::string(80, 'x'), 4));
  REQUIRE(sink->wait_over());
  REQUIRE(sink->failure());
  CHECK(sink->failure()->code == errc::context_length_exceeded);
  CHECK(sink->failure()->number == 64);
}

TEST_CASE("a model that nobody serves is refused") {
  scripted_cluster cluster(1);
  auto const sink = cluster.submit(cluster.new_request(), completion("other", "hello", 4));
  REQUIRE(sink->wait_over());
  CHECK(sink->failure()->code == errc::no_worker);
}

TEST_CASE("a worker lost before any text is replaced, and its lease waits for its exit") {
  scripted_cluster cluster(2);
  for (auto const& each : cluster.traces) each->hold = true;
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 4));
  REQUIRE(eventually([&] { return cluster.traces[0]->submitted + cluster.traces[1]->submitted == 1; }));
  std::size_t const first = cluster.traces[0]->submitted == 1 ? 0 : 1;
  auto& front = *cluster.nodes[first]; // the worker's node
  front.mute = true;
  cluster.traces[1 - first]->hold = false;
  cluster.front_hears(cluster::peer_left{front.member.node});
  REQUIRE(sink->wait_over());
  CHECK(sink->text() == "abcd");
  cluster.over(request);
  cluster.front_hears(cluster::process_exited{front.member.node, 1234});
  auto const answer = cluster.receipt(request);
  REQUIRE(answer->state == messages::receipt_state::final);
  REQUIRE(answer->receipt->body.holders.size() == 3);
  CHECK(answer->receipt->body.holders[1].state == messages::wipe_state::exited);
}

TEST_CASE("a worker lost amid the text ends the answer with worker_lost") {
  scripted_cluster cluster(2, {.context_tokens = 100000});
  auto const sink = cluster.submit(cluster.new_request(), completion("scripted", "hello", 90000));
  REQUIRE(sink->wait_chunks(2));
  std::size_t const first = cluster.traces[0]->submitted == 1 ? 0 : 1;
  cluster.front_hears(cluster::peer_left{cluster.nodes[first]->member.node});
  REQUIRE(sink->wait_over());
  CHECK(sink->failure()->code == errc::worker_lost);
}

TEST_CASE("a gateway that is lost leaves nothing running, and its wipes are reported") {
  scripted_cluster cluster(1, {.context_tokens = 100000});
  auto const request = cluster.new_request();
  auto const sink = cluster.submit(request, completion("scripted", "hello", 90000));
  REQUIRE(sink->wait_chunks(1));
  cluster.tell_all(*cluster.nodes[0], cluster::peer_left{node_id{100}});
  REQUIRE(eventually([&] { return cluster.traces[0]->cancelled == 1; }));
}
