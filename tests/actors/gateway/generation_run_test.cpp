#include "actors/gateway/generation_run.hpp"

#include "tests/actors/answers.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;
using namespace mayfly::testing;

namespace {

constexpr node_id worker_a{1}, worker_b{2}, worker_c{3};

/// Keeps what a run asks for; any kind of peer may be missing.
struct port_record final : run_port {
  bool open_lease(messages::lease_opening opening) override {
    if (retention_there) openings.push_back(opening);
    return retention_there;
  }
  bool register_holder(messages::holder_registered holder) override {
    if (retention_there) order.push_back('h'), holders.push_back(holder);
    return retention_there;
  }
  bool ask_placement(messages::placement_request request) override {
    if (scheduler_there) placements.push_back(std::move(request));
    return scheduler_there;
  }
  bool sees_worker(name const&, std::span<node_id const> tried) const override {
    return reporting && std::find(tried.begin(), tried.end(), reporting) == tried.end();
  }
  void release_placement(messages::placement_release release) override { releases.push_back(release.worker); }
  bool ask_worker(node_id worker, messages::infer infer) override {
    if (std::find(gone.begin(), gone.end(), worker) != gone.end()) return false;
    order.push_back('i');
    infers.emplace_back(worker, std::move(infer));
    return true;
  }
  void grant(node_id worker, messages::credit credit) override { grants.emplace_back(worker, credit); }
  void cancel(node_id worker, messages::cancel) override { cancels.push_back(worker); }

  bool retention_there = true, scheduler_there = true;
  node_id reporting{}; ///< a worker that the gateway hears, if any
  std::vector<node_id> gone;
  std::vector<messages::lease_opening> openings;
  std::vector<messages::holder_registered> holders;
  std::vector<messages::placement_request> placements;
  std::vector<node_id> releases, cancels;
  std::vector<std::pair<node_id, messages::infer>> infers;
  std::vector<std::pair<node_id, messages::credit>> grants;
  std::string order;
};

/// A run with its surroundings, time in its hands.
struct run_bench {
  explicit run_bench(std::uint32_t choices = 1, bool started = true) {
    auto asked = generation_of(id, completion("tiny", "hello", 8), sink, choices);
    asked.ends_at = now + 60s;
    run.emplace(std::move(asked), run_limits{}, port, node_id{100}, now);
    if (started) run->start(now);
  }
  void lease(errc code = errc::ok) { run->on_lease_opened({id, static_cast<std::uint16_t>(code)}, now); }
  void place(node_id worker) { run->on_placement({id, worker, 0}, now); }
  void no_place(errc code) { run->on_placement({id, {}, static_cast<std::uint16_t>(code)}, now); }
  void admit(node_id worker, std::uint32_t choice = 0) {
    run->on_admission(worker, {id, choice, 0, 0, 5}, now);
  }
  void refuse(node_id worker, errc code, std::uint32_t choice = 0, std::uint32_t limit = 0) {
    run->on_admission(worker, {id, choice, static_cast<std::uint16_t>(code), limit, 0}, now);
  }
  void chunk(node_id worker, std::uint32_t sequence, std::uint32_t choice = 0) {
    messages::output_chunk text;
    text.request = id;
    text.choice = choice;
    text.sequence = sequence;
    text.tokens = 1;
    text.text = ephemeral_text("x");
    run->on_chunk(worker, std::make_shared<messages::output_chunk const>(std::move(text)), now);
  }
  void finish(node_id worker, messages::finish_reason reason = messages::finish_reason::stop,
              std::uint32_t choice = 0, errc code = errc::ok) {
    messages::finished done;
    done.request = id;
    done.choice = choice;
    done.reason = reason;
    done.code = static_cast<std::uint16_t>(code);
    done.completion_tokens = 3;
    run->on_finished(worker, done, now);
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    run->on_tick(now);
  }
  errc failure() const { return sink->failure() ? sink->failure()->code : errc::ok; }

  deadline now{std::chrono::hours(1)};
  request_id id{{100}, 7};
  port_record port;
  std::shared_ptr<recording_sink> sink = std::make_shared<recording_sink>();
  std::optional<generation_run> run;
};

} // namespace

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
  for (int turn = 0; turn < 12 && bench.failure() == errc::ok; ++turn) {
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
  bench.pass(900ms);
  CHECK_FALSE(bench.run->ended());
  bench.pass(200ms);
  CHECK(bench.failure() == errc::unavailable);
  CHECK(bench.port.infers.empty());
}

TEST_CASE("a peer that returns in time is used") {
  run_bench bench(1, false);
  miss(bench, GENERATE(missing::retention_at_opening, missing::scheduler, missing::retention_before_content));
  bench.pass(900ms);
  bench.port.retention_there = bench.port.scheduler_there = true;
  bench.pass(50ms);
  bench.lease();
  bench.place(worker_a);
  CHECK(bench.port.infers.size() == 1);
  bench.pass(1s);
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
