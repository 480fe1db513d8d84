#include "conversation.hpp"
#include "fake_device.hpp"

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

TEST_CASE("a sequence ends at max_tokens with reason length") {
  rig engine;
  auto const handle = must_submit(*engine.subject, request_for({1, 2, 3}, 5));
  auto const got = run(*engine.subject).at(handle);
  CHECK(got.tokens.size() == 5);
  CHECK(got.finish == finish_reason::length);
}

TEST_CASE("a sequence ends where the context ends") {
  rig engine({.context_tokens = 10});
  auto const handle = must_submit(*engine.subject, request_for(prompt_number(1, 7), 50));
  auto const got = run(*engine.subject).at(handle);
  CHECK(got.tokens.size() == 3);
  CHECK(got.finish == finish_reason::length);
}

TEST_CASE("a stop token ends a sequence and is not reported") {
  rig engine;
  auto const free_run = must_submit(*engine.subject, request_for({4, 5}, 8));
  auto const tokens = run(*engine.subject).at(free_run).tokens;
  auto const stop = tokens[3];
  auto const first = static_cast<std::size_t>(std::find(tokens.begin(), tokens.end(), stop) - tokens.begin());

  auto request = request_for({4, 5}, 8);
  request.stop_tokens.push_back(stop);
  auto const stopped = must_submit(*engine.subject, std::move(request));
  auto const got = run(*engine.subject).at(stopped);
  CHECK(got.finish == finish_reason::stop);
  CHECK(got.tokens ==
        std::vector<token_id>(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(first)));

  request = request_for({4, 5}, 8);
  request.stop_tokens.push_back(stop);
  request.ignore_stop_tokens = true;
  auto const ignoring = must_submit(*engine.subject, std::move(request));
  CHECK(run(*engine.subject).at(ignoring).tokens == tokens);
}

TEST_CASE("the end of a sequence reports its KV blocks, tokens and sampler state as wiped") {
  rig engine;
  auto request = request_for(prompt_number(1, 6), 5); // 11 tokens; K and V of 10: 3 blocks
  request.bias.push_back({3, 0.5F});
  auto const handle = must_submit(*engine.subject, std::move(request));
  auto const got = run(*engine.subject).at(handle);
  CHECK(got.wiped_bytes == 3 * engine.block_bytes + 11 * sizeof(token_id) + sizeof(logit_bias) + 8);
  CHECK(engine.all_blocks_free_and_zero());
  CHECK(engine.logits_are_zero());
}

TEST_CASE("cancelling at any step wipes at once what the sequence held") {
  for (int steps = 0; steps < 12; ++steps) {
    CAPTURE(steps);
    rig engine({.step_tokens = 4});
    auto const cancelled = must_submit(*engine.subject, request_for(prompt_number(1, 14), 20));
    outcomes got;
    for (int step = 0; step < steps; ++step) step_into(*engine.subject, got);
    auto const bytes = engine.subject->cancel(cancelled);
    CHECK(bytes >= 14 * sizeof(token_id) + (steps > 0 ? 4 * engine.block_bytes : 0));
    CHECK(engine.all_blocks_free_and_zero());
    CHECK(engine.logits_are_zero());
    CHECK_FALSE(engine.subject->has_work());
    CHECK(engine.subject->step().empty());
    CHECK(engine.subject->cancel(cancelled) == 0);
  }
}

TEST_CASE("cancelling one sequence leaves the others' output as it was") {
  rig reference;
  auto const alone = must_submit(*reference.subject, request_for({7, 8, 9}, 12));
  auto const expected = run(*reference.subject).at(alone).tokens;

  rig engine;
  auto const leaving = must_submit(*engine.subject, request_for({1, 2}, 30));
  auto const staying = must_submit(*engine.subject, request_for({7, 8, 9}, 12));
  outcomes got;
  for (int step = 0; step < 4; ++step) step_into(*engine.subject, got);
  engine.subject->cancel(leaving);
  run(*engine.subject, got);
  CHECK(got.at(staying).tokens == expected);
  CHECK(got.at(leaving).tokens.size() == 4);
}

TEST_CASE("cancelling while events are read keeps them readable and wipes the sequence's own") {
  rig engine;
  auto const first = must_submit(*engine.subject, request_for({1}, 9));
  auto const second = must_submit(*engine.subject, request_for({2}, 9));
  auto const events = engine.subject->step();
  REQUIRE(events.size() == 2);
  auto const kept = events[1].token.token;
  engine.subject->cancel(first);
  CHECK(events[0].token.token == 0);
  CHECK(events[1].sequence == second);
  CHECK(events[1].token.token == kept);
}

TEST_CASE("a backend that fails ends every sequence with a failed event and wiped memory") {
  rig engine({.sequences = 2});
  outcomes got;
  std::vector<sequence_handle> handles;
  for (std::uint32_t number = 0; number < 5; ++number)
    handles.push_back(must_submit(*engine.subject, request_for(prompt_number(number, 9), 20)));
  for (int step = 0; step < 3; ++step) step_into(*engine.subject, got);
  engine.device->failures_to_come = 1;
  step_into(*engine.subject, got);
  for (auto const handle : handles) {
    CHECK(got.at(handle).finish == finish_reason::failed);
    CHECK(got.at(handle).failure == errc::backend_failed);
    CHECK(got.at(handle).wiped_bytes >= 9 * sizeof(token_id));
  }
  CHECK(engine.all_blocks_free_and_zero());
  CHECK(engine.logits_are_zero());
  CHECK_FALSE(engine.subject->has_work());
}

TEST_CASE("a backend that fails at any of its waits loses no sequence and no block") {
  for (int good_steps = 0; good_steps < 10; ++good_steps) {
    for (int failures = 1; failures < 4; ++failures) {
      CAPTURE(good_steps, failures);
      rig engine;
      outcomes got;
      auto const handle = must_submit(*engine.subject, request_for(prompt_number(2, 20), 6));
      for (int step = 0; step < good_steps; ++step) step_into(*engine.subject, got);
      bool const finished = got[handle].finish == finish_reason::length;
      engine.device->loses_wipes = true;
      engine.device->failures_to_come = failures;
      run(*engine.subject, got);
      CHECK(got.at(handle).finish == (finished ? finish_reason::length : finish_reason::failed));
      engine.device->failures_to_come = 0;
      auto const next = must_submit(*engine.subject, request_for(prompt_number(2, 20), 6));
      run(*engine.subject, got);
      CHECK(got.at(next).finish == finish_reason::length);
      CHECK(engine.network->violations == 0);
      CHECK(engine.all_blocks_free_and_zero());
    }
  }
}

TEST_CASE("KV bytes whose wiping the backend does not confirm are not reported as wiped") {
  rig engine;
  auto const handle = must_submit(*engine.subject, request_for(prompt_number(2, 12), 6));
  outcomes got;
  step_into(*engine.subject, got);
  engine.device->failures_to_come = 1;
  engine.device->loses_wipes = true;
  auto const tokens = 12 + got.at(handle).tokens.size();
  CHECK(engine.subject->cancel(handle) == tokens * sizeof(token_id) + 8);
  CHECK(engine.kv->nonzero() > 0);

  auto const next = must_submit(*engine.subject, request_for(prompt_number(3, 12), 6));
  run(*engine.subject, got);
  CHECK(got.at(next).finish == finish_reason::length);
  CHECK(engine.network->violations == 0);
  CHECK(engine.all_blocks_free_and_zero());
}

TEST_CASE("logits that are not numbers fail their own sequence alone") {
  rig engine;
  auto const poisoned = must_submit(*engine.subject, request_for({1, 2, poison_token}, 6));
  auto const healthy = must_submit(*engine.subject, request_for({1, 2, 3}, 6));
  auto const got = run(*engine.subject);
  CHECK(got.at(poisoned).finish == finish_reason::failed);
  CHECK(got.at(poisoned).failure == errc::backend_failed);
  CHECK(got.at(poisoned).tokens.empty());
  CHECK(got.at(healthy).finish == finish_reason::length);
  CHECK(engine.all_blocks_free_and_zero());
}

TEST_CASE("scrubbing wipes logits while sequences go on undisturbed") {
  rig reference;
  auto const alone = must_submit(*reference.subject, request_for({7, 8, 9}, 12));
  auto const expected = run(*reference.subject).at(alone).tokens;

  rig engine;
  auto const handle = must_submit(*engine.subject, request_for({7, 8, 9}, 12));
  outcomes got;
  while (engine.subject->has_work()) {
    step_into(*engine.subject, got);
    engine.subject->scrub();
    CHECK(engine.logits_are_zero());
  }
  CHECK(got.at(handle).tokens == expected);
  CHECK(engine.device->scrubs == 12);
}

TEST_CASE("log probabilities come with the token, best alternatives first") {
  rig engine;
  auto request = request_for({1, 2, 3}, 2);
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 5;
  must_submit(*engine.subject, std::move(request));
  auto const events = engine.subject->step();
  REQUIRE(events.size() == 1);
  auto const top = events[0].top.reveal();
  REQUIRE(top.size() == 5);
  CHECK(top[0].token == events[0].token.token);
  CHECK(top[0].logprob == events[0].token.logprob);
  CHECK(std::is_sorted(top.begin(), top.end(), [](auto& a, auto& b) { return a.logprob > b.logprob; }));
}

TEST_CASE("locked memory is as empty after an engine's work as before it") {
  auto const before = locked_memory_usage().in_use_bytes;
  {
    rig engine;
    for (std::uint32_t number = 0; number < 9; ++number)
      must_submit(*engine.subject, request_for(prompt_number(number, 9), 7));
    run(*engine.subject);
    must_submit(*engine.subject, request_for({1, 2}, 7));
    engine.subject->step();
  }
  CHECK(locked_memory_usage().in_use_bytes == before);
}
