#include "actors/worker/model_runner.hpp"

#include "tests/actors/answers.hpp"
#include "tests/actors/scripted_engine.hpp"

#include <catch2/catch.hpp>
#include <new>

using namespace mayfly;
using namespace mayfly::actors;
using namespace mayfly::testing;
using messages::finish_reason;

namespace {

struct peer_out_of_memory final : cluster::peer {
  peer_out_of_memory() : peer(node_id{100}, only(role::gateway)) {}
  void deliver(cluster::parcel) const override { throw std::bad_alloc(); }
};

struct runner_bench {
  explicit runner_bench(engine_script script = {}) : runner(model(script), node_id{1}, outbox) {}

  worker_model model(engine_script script) {
    auto made = scripted_model(script, traces);
    made.end_process = [this] { ++ended; };
    return made;
  }

  messages::infer ask(std::uint32_t max_tokens, std::uint64_t serial = 1) const {
    auto infer = completion("scripted", "hello", max_tokens);
    infer.request = {{100}, serial};
    infer.credit = 32;
    infer.time_left = 60s;
    return infer;
  }
  void infer(messages::infer asked) {
    runner.infer(gateway, std::make_shared<messages::infer const>(std::move(asked)), now);
  }
  void run() {
    while (runner.has_work()) runner.step(now);
  }
  std::string text(std::uint64_t serial = 1) const {
    std::string all;
    for (auto const& chunk : gateway->all<messages::output_chunk>())
      if (chunk->request.serial == serial) all += chunk->text.reveal();
    return all;
  }
  std::shared_ptr<messages::finished const> finished() const {
    auto const all = gateway->all<messages::finished>();
    REQUIRE(all.size() == 1);
    return all[0];
  }
  errc admission() const { return static_cast<errc>(gateway->all<messages::admission>().at(0)->code); }

  std::shared_ptr<engine_traces> traces = std::make_shared<engine_traces>();
  std::shared_ptr<recording_peer> gateway = make_peer(100, only(role::gateway));
  std::shared_ptr<recording_peer> retention = make_peer(101, only(role::retention));
  retention_outbox outbox;
  deadline now{1h};
  int ended = 0;
  model_runner runner;
};

} // namespace

TEST_CASE("a request is admitted with its prompt's tokens, then generates to its bound") {
  runner_bench bench;
  bench.infer(bench.ask(4));
  CHECK(bench.admission() == errc::ok);
  CHECK(bench.gateway->all<messages::admission>()[0]->prompt_tokens == 5);
  bench.run();
  CHECK(bench.text() == "abcd");
  CHECK(bench.finished()->reason == finish_reason::length);
  CHECK(bench.finished()->completion_tokens == 4);
}

TEST_CASE("chunks are numbered and say how many tokens they stand for") {
  runner_bench bench;
  bench.infer(bench.ask(3));
  bench.run();
  auto const chunks = bench.gateway->all<messages::output_chunk>();
  REQUIRE(chunks.size() == 3);
  for (std::uint32_t index = 0; index < 3; ++index) {
    CHECK(chunks[index]->sequence == index);
    CHECK(chunks[index]->tokens == 1);
  }
}

TEST_CASE("the end of sequence is no token of the answer") {
  runner_bench bench({.end_after = 2});
  bench.infer(bench.ask(10));
  bench.run();
  CHECK(bench.text() == "ab");
  CHECK(bench.finished()->reason == finish_reason::stop);
  CHECK(bench.finished()->completion_tokens == 2);
}

TEST_CASE("a stop string ends the sequence and none of it is sent") {
  runner_bench bench;
  auto asked = bench.ask(20);
  asked.stop.emplace_back("def");
  bench.infer(std::move(asked));
  bench.run();
  CHECK(bench.text() == "abc");
  CHECK(bench.finished()->reason == finish_reason::stop);
  CHECK(bench.traces->cancelled == 1);
  CHECK(bench.traces->generated == 6);
}

TEST_CASE("text that only looked like a stop string is sent after all") {
  runner_bench bench;
  auto asked = bench.ask(5);
  asked.stop.emplace_back("dex");
  SECTION("when the text goes on otherwise") {}
  SECTION("when the text ends") { asked.parameters.max_tokens = 4; }
  auto const expected = asked.parameters.max_tokens == 4 ? "abcd" : "abcde";
  bench.infer(std::move(asked));
  bench.run();
  CHECK(bench.text() == expected);
}

TEST_CASE("a stop string that comes with the last token counts as a stop") {
  runner_bench bench;
  auto asked = bench.ask(5);
  asked.stop.emplace_back("de");
  bench.infer(std::move(asked));
  bench.run();
  CHECK(bench.text() == "abc");
  CHECK(bench.finished()->reason == finish_reason::stop);
}

TEST_CASE("without credit a sequence waits, with more it goes on") {
  runner_bench bench;
  auto asked = bench.ask(10);
  asked.credit = 3;
  bench.infer(std::move(asked));
  bench.run();
  CHECK(bench.text() == "abc");
  CHECK(bench.gateway->all<messages::finished>().empty());
  bench.runner.credit({{{100}, 1}, 0, 2});
  bench.run();
  CHECK(bench.text() == "abcde");
  bench.runner.credit({{{100}, 1}, 0, 10});
  bench.run();
  CHECK(bench.finished()->completion_tokens == 10);
}

TEST_CASE("a token that makes no chunk costs no credit, and chunks never exceed it") {
  runner_bench bench;
  auto asked = bench.ask(20);
  asked.credit = 4;
  asked.stop.emplace_back("cdefx");
  bench.infer(std::move(asked));
  bench.run();
  CHECK(bench.text() == "abcdefgh"); // "cdef" was held back and came in one chunk with "g"
  CHECK(bench.gateway->all<messages::output_chunk>().size() == 4);
  CHECK(bench.gateway->all<messages::output_chunk>()[2]->tokens == 5);
}

TEST_CASE("an echoed prompt comes first, within the first chunk") {
  runner_bench bench;
  auto asked = bench.ask(2);
  asked.echo = true;
  asked.credit = 1;
  bench.infer(std::move(asked));
  bench.run();
  REQUIRE(bench.gateway->all<messages::output_chunk>().size() == 1);
  CHECK(bench.text() == "helloa");
}

TEST_CASE("log probabilities travel as text with the chunk of their token") {
  runner_bench bench;
  auto asked = bench.ask(2);
  asked.parameters.logprobs = true;
  asked.parameters.top_logprobs = 1;
  bench.infer(std::move(asked));
  bench.run();
  auto const chunks = bench.gateway->all<messages::output_chunk>();
  REQUIRE(chunks.size() == 2);
  REQUIRE(chunks[1]->logprobs.size() == 1);
  CHECK(chunks[1]->logprobs[0].chosen.text.reveal() == "b");
  CHECK(chunks[1]->logprobs[0].chosen.logprob == -0.5F);
  REQUIRE(chunks[1]->logprobs[0].top.size() == 1);
  CHECK(chunks[1]->logprobs[0].top[0].text.reveal() == "z");
}

TEST_CASE("without a bound a request may fill the context") {
  runner_bench bench({.context_tokens = 12});
  bench.infer(bench.ask(0));
  bench.run();
  CHECK(bench.finished()->completion_tokens == 7);
}

TEST_CASE("what does not fit the context is refused with the limit") {
  runner_bench bench({.context_tokens = 12});
  bench.infer(bench.ask(8));
  CHECK(bench.admission() == errc::context_length_exceeded);
  CHECK(bench.gateway->all<messages::admission>()[0]->limit == 12);
  CHECK(bench.runner.active() == 0);
}

TEST_CASE("a full engine's refusal is passed on") {
  runner_bench bench({.max_sequences = 1});
  bench.infer(bench.ask(8, 1));
  bench.infer(bench.ask(8, 2));
  CHECK(bench.gateway->all<messages::admission>().at(1)->code ==
        static_cast<std::uint16_t>(errc::overloaded));
}

TEST_CASE("the same choice twice is refused") {
  runner_bench bench;
  bench.infer(bench.ask(8));
  bench.infer(bench.ask(8));
  CHECK(bench.gateway->all<messages::admission>().at(1)->code ==
        static_cast<std::uint16_t>(errc::invalid_request));
}

TEST_CASE("a wipe is reported with its bytes, after scratch is scrubbed") {
  runner_bench bench;
  bench.infer(bench.ask(2));
  bench.runner.step(bench.now);
  CHECK(bench.traces->scrubs == 0);
  bench.runner.step(bench.now);
  CHECK(bench.traces->scrubs == 1);
  // The engine's share, the prompt as text and as tokens, two tokens and their text.
  CHECK(bench.finished()->wiped_bytes == 1000 + 5 + 5 * 4 + 2 * 4 + 2);
  CHECK(bench.finished()->wiped_at_unix_ms > 0);
}

TEST_CASE("where the device fails a wipe the process ends, and nobody hears that it was done") {
  runner_bench bench;
  bench.outbox.joined(bench.retention);
  bench.infer(bench.ask(2));
  bench.runner.step(bench.now);
  bench.traces->fails_to_wipe = true;
  SECTION("of a sequence that came to its end") { bench.runner.step(bench.now); }
  SECTION("of one that is cancelled") { bench.runner.cancel({{100}, 1}, wipe_report::both, bench.now); }
  SECTION("of scratch, before the thread waits") { bench.runner.scrub(); }
  CHECK(bench.ended == 1);
  CHECK(bench.gateway->all<messages::finished>().empty());
  CHECK(bench.retention->size() == 0);
}

TEST_CASE("a sequence whose admission cannot be told is not kept") {
  runner_bench bench;
  auto const deaf = std::make_shared<peer_out_of_memory>();
  CHECK_THROWS_AS(bench.runner.infer(deaf, std::make_shared<messages::infer const>(bench.ask(8)), bench.now),
                  std::bad_alloc);
  CHECK(bench.runner.active() == 0);
  CHECK(bench.traces->cancelled == 1);
  CHECK_FALSE(bench.runner.has_work());
}

TEST_CASE("a cancel ends every choice of the request and no other") {
  runner_bench bench;
  auto second = bench.ask(20);
  second.choice = 1;
  bench.infer(bench.ask(20));
  bench.infer(std::move(second));
  bench.infer(bench.ask(20, 2));
  bench.runner.step(bench.now);
  bench.runner.cancel({{100}, 1}, wipe_report::gateway, bench.now);
  auto const finished = bench.gateway->all<messages::finished>();
  REQUIRE(finished.size() == 2);
  CHECK(finished[0]->reason == finish_reason::cancelled);
  CHECK(bench.runner.active() == 1);
  bench.run();
  CHECK(bench.text(1) == "aa");
  CHECK(bench.text(2) == "abcdefghijabcdefghij");
}

TEST_CASE("a request past its deadline by this worker's clock ends") {
  runner_bench bench;
  bench.infer(bench.ask(20));
  bench.runner.tick(bench.now + 59s);
  CHECK(bench.runner.active() == 1);
  bench.runner.tick(bench.now + 60s);
  CHECK(bench.finished()->reason == finish_reason::failed);
  CHECK(bench.finished()->code == static_cast<std::uint16_t>(errc::deadline_exceeded));
}

TEST_CASE("a failing backend ends its sequences as failed") {
  runner_bench bench({.fail_after = 1});
  bench.infer(bench.ask(20));
  bench.run();
  CHECK(bench.finished()->reason == finish_reason::failed);
  CHECK(bench.finished()->code == static_cast<std::uint16_t>(errc::backend_failed));
  CHECK(bench.text() == "a");
}

TEST_CASE("a lost gateway's requests end, and retention hears of the wipe") {
  runner_bench bench;
  bench.infer(bench.ask(20));
  bench.runner.step(bench.now);
  bench.runner.gateway_lost(node_id{55}, bench.now);
  CHECK(bench.runner.active() == 1);
  bench.runner.gateway_lost(node_id{100}, bench.now);
  CHECK(bench.runner.active() == 0);
  CHECK(bench.gateway->all<messages::finished>().empty());
  CHECK(bench.outbox.kept() == 1);
  bench.outbox.joined(bench.retention);
  auto const wiped = bench.retention->all<messages::holder_wiped>();
  REQUIRE(wiped.size() == 1);
  CHECK(wiped[0]->holder == node_id{1});
  CHECK(wiped[0]->bytes > 1000);
}

TEST_CASE("what a gateway may not have heard before it was lost is said again to retention") {
  runner_bench bench;
  bench.outbox.joined(bench.retention);
  bench.infer(bench.ask(2));
  bench.run();
  CHECK(bench.retention->all<messages::holder_wiped>().empty());
  SECTION("when the loss follows soon") {
    bench.runner.gateway_lost(node_id{100}, bench.now);
    CHECK(bench.retention->all<messages::holder_wiped>().size() == 1);
    bench.runner.gateway_lost(node_id{100}, bench.now);
    CHECK(bench.retention->all<messages::holder_wiped>().size() == 1);
  }
  SECTION("not long after") {
    bench.runner.tick(bench.now + 11s);
    bench.runner.gateway_lost(node_id{100}, bench.now + 11s);
    CHECK(bench.retention->all<messages::holder_wiped>().empty());
  }
}

TEST_CASE("a forced lease is answered to the gateway and to retention") {
  runner_bench bench;
  bench.outbox.joined(bench.retention);
  bench.infer(bench.ask(20));
  bench.runner.cancel({{100}, 1}, wipe_report::both, bench.now);
  CHECK(bench.finished()->reason == finish_reason::cancelled);
  CHECK(bench.retention->all<messages::holder_wiped>().size() == 1);
}
