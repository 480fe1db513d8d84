#include "conversation.hpp"
#include "fake_device.hpp"

#include <limits>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

errc refusal(rig& engine, sequence_request request) {
  auto const handle = engine.subject->submit(std::move(request));
  return handle ? errc::ok : handle.failure().code;
}

} // namespace

TEST_CASE("full queues refuse the next sequence as overloaded, and take one again when one ends") {
  rig engine({.sequences = 2, .queued = 3});
  std::vector<sequence_handle> handles;
  for (std::uint32_t number = 0; number < 5; ++number)
    handles.push_back(must_submit(*engine.subject, request_for(prompt_number(number, 3), 4)));
  CHECK(refusal(engine, request_for({1}, 4)) == errc::overloaded);
  engine.subject->cancel(handles[4]);
  CHECK(refusal(engine, request_for({1}, 4)) == errc::ok);
}

TEST_CASE("a prompt that leaves no room for a token is refused with the limit") {
  rig engine({.context_tokens = 20});
  CHECK(refusal(engine, request_for(prompt_number(0, 19), 4)) == errc::ok);
  auto const refused = engine.subject->submit(request_for(prompt_number(0, 20), 4));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code == errc::context_length_exceeded);
  CHECK(refused.failure().number == 20);
}

TEST_CASE("a context larger than the KV cache is cut down to what the cache holds") {
  rig engine({.blocks = 5, .block_tokens = 4, .context_tokens = 64});
  CHECK(engine.subject->context_tokens() == 20);
  auto const refused = engine.subject->submit(request_for(prompt_number(0, 20), 4));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().number == 20);
  auto const handle = must_submit(*engine.subject, request_for(prompt_number(0, 19), 4));
  CHECK(run(*engine.subject).at(handle).tokens.size() == 1);
}

TEST_CASE("requests that make no sense are refused") {
  rig engine;
  CHECK(refusal(engine, request_for({}, 4)) == errc::invalid_request);
  CHECK(refusal(engine, request_for({1}, 0)) == errc::invalid_request);
  CHECK(refusal(engine, request_for({1, fake_vocabulary}, 4)) == errc::invalid_request);
  CHECK(refusal(engine, request_for({-1}, 4)) == errc::invalid_request);
  auto const with = [](auto change) {
    auto request = request_for({1}, 4);
    change(request);
    return request;
  };
  constexpr auto nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(refusal(engine, with([](auto& r) { r.stop_tokens.push_back(-4); })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.bias.push_back({99, 1}); })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.bias.push_back({1, nan}); })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.temperature = -1; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.temperature = nan; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.top_p = 0; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.top_p = 1.1F; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.top_k = -1; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.min_p = 1.5F; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.repetition_penalty = 0; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.frequency_penalty = 3; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.presence_penalty = -3; })) == errc::invalid_request);
  CHECK(refusal(engine, with([](auto& r) { r.sampling.top_logprobs = 21; })) == errc::invalid_request);
  CHECK_FALSE(engine.subject->has_work());
}

TEST_CASE("a sequence generates as many tokens as its credit and waits for more") {
  rig reference;
  auto const alone = must_submit(*reference.subject, request_for({7, 8, 9}, 12));
  auto const expected = run(*reference.subject).at(alone).tokens;

  rig engine;
  auto request = request_for({7, 8, 9}, 12);
  request.credit = 3;
  auto const handle = must_submit(*engine.subject, std::move(request));
  outcomes got;
  run(*engine.subject, got);
  CHECK(got.at(handle).tokens.size() == 3);
  CHECK(engine.subject->figures().running == 1);
  engine.subject->grant(handle, 2);
  run(*engine.subject, got);
  CHECK(got.at(handle).tokens.size() == 5);
  engine.subject->grant(handle, UINT32_MAX);
  run(*engine.subject, got);
  CHECK(got.at(handle).tokens == expected);
  engine.subject->grant(handle, 1);
  CHECK_FALSE(engine.subject->has_work());
}

TEST_CASE("a sequence without credit does not hold up others") {
  rig engine({.sequences = 1});
  auto request = request_for({1, 2}, 9);
  request.credit = 2;
  auto const waiting = must_submit(*engine.subject, std::move(request));
  auto const other = must_submit(*engine.subject, request_for({3, 4}, 9));
  auto const got = run(*engine.subject);
  CHECK(got.at(waiting).finish == finish_reason::none);
  CHECK(got.at(other).finish == finish_reason::length);
}

TEST_CASE("sequences without credit give up their blocks to those that can go on, and continue as if they "
          "had not") {
  auto const make = [](std::uint32_t number) { return request_for(prompt_number(number, 14), 20); };
  std::vector<std::vector<token_id>> expected;
  for (std::uint32_t number = 0; number < 6; ++number) {
    rig reference;
    auto const handle = must_submit(*reference.subject, make(number));
    expected.push_back(run(*reference.subject).at(handle).tokens);
  }
  rig engine({.blocks = 16});
  std::vector<sequence_handle> handles;
  outcomes got;
  for (std::uint32_t number = 0; number < 6; ++number) {
    auto request = make(number);
    request.credit = 3;
    handles.push_back(must_submit(*engine.subject, std::move(request)));
    run(*engine.subject, got); // each waits for credit before the next comes
    CHECK(got.at(handles.back()).tokens.size() == 3);
  }
  CHECK(engine.subject->figures().preemptions > 0);
  for (auto const handle : handles) engine.subject->grant(handle, 100);
  run(*engine.subject, got);
  for (std::size_t number = 0; number < 6; ++number)
    CHECK(got.at(handles[number]).tokens == expected[number]);
  CHECK(engine.network->violations == 0);
  CHECK(engine.all_blocks_free_and_zero());
}

TEST_CASE("a higher priority starts first, and takes blocks from a lower one") {
  rig engine({.blocks = 8, .sequences = 4});
  auto low = request_for(prompt_number(0, 20), 12);
  low.priority = 0;
  auto const patient = must_submit(*engine.subject, std::move(low));
  outcomes got;
  for (int step = 0; step < 4; ++step) step_into(*engine.subject, got);
  auto high = request_for(prompt_number(1, 20), 5);
  high.priority = 1;
  auto const urgent = must_submit(*engine.subject, std::move(high));
  while (got[urgent].finish == finish_reason::none) step_into(*engine.subject, got);
  CHECK(got.at(patient).finish == finish_reason::none);
  CHECK(engine.subject->figures().preemptions == 1);
  run(*engine.subject, got);
  CHECK(got.at(patient).tokens.size() == 12);
}

TEST_CASE("figures count tokens, steps and blocks") {
  rig engine;
  must_submit(*engine.subject, request_for(prompt_number(0, 20), 5));
  run(*engine.subject);
  auto const figures = engine.subject->figures();
  CHECK(figures.prefill_tokens == 20);
  CHECK(figures.decode_tokens == 4); // the first token comes from prefill
  CHECK(figures.steps == 6);
  CHECK(figures.kv_blocks == 64);
  CHECK(figures.kv_blocks_free == 64);
  CHECK(figures.kv_block_tokens == 4);
  CHECK(figures.running + figures.waiting == 0);
}
