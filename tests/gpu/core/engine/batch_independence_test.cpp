#include "conversation.hpp"
#include "fake_device.hpp"

#include <random>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

/// Request `number`: even ones greedy, odd ones sampled with a seed and penalties.
sequence_request mixed_request(std::uint32_t number) {
  auto request = request_for(prompt_number(number, 1 + number * 5 % 23), 3 + number * 7 % 29);
  if (number % 2 == 1) {
    request.sampling.temperature = 0.9F;
    request.sampling.top_p = 0.95F;
    request.sampling.seed = number;
    request.sampling.frequency_penalty = 0.3F;
    request.sampling.repetition_penalty = 1.1F;
  }
  request.account = number % 3;
  request.priority = static_cast<std::int32_t>(number % 2);
  return request;
}

std::vector<token_id> alone(std::uint32_t number) {
  rig fresh;
  auto const handle = must_submit(*fresh.subject, mixed_request(number));
  return run(*fresh.subject).at(handle).tokens;
}

void check_against_alone(rig& crowd, std::uint32_t count) {
  std::map<sequence_handle, std::uint32_t> numbers;
  for (std::uint32_t number = 0; number < count; ++number)
    numbers[must_submit(*crowd.subject, mixed_request(number))] = number;
  auto const got = run(*crowd.subject);
  for (auto const& [handle, number] : numbers) {
    CAPTURE(number);
    CHECK(got.at(handle).finish == finish_reason::length);
    CHECK(got.at(handle).tokens == alone(number));
  }
  CHECK(crowd.network->violations == 0);
  CHECK(crowd.all_blocks_free_and_zero());
  CHECK(crowd.logits_are_zero());
}

} // namespace

TEST_CASE("a sequence gives the same output in a crowd as alone") {
  rig crowd;
  check_against_alone(crowd, 20);
  CHECK(crowd.subject->figures().preemptions == 0);
}

TEST_CASE("the number of tokens in a step does not change any output") {
  for (std::uint32_t const tokens : {1U, 2U, 3U, 7U, 64U, 256U}) {
    CAPTURE(tokens);
    rig crowd({.step_tokens = tokens});
    check_against_alone(crowd, 12);
  }
}

TEST_CASE("sequences that outgrow the cache are preempted, and all finish with the output they have alone") {
  for (std::uint32_t const blocks : {16U, 17U, 20U, 31U}) {
    CAPTURE(blocks);
    rig crowd({.blocks = blocks});
    check_against_alone(crowd, 30);
    CHECK(crowd.subject->figures().preemptions > 0);
  }
}

TEST_CASE("more running sequences than seats take turns") {
  rig crowd({.sequences = 3, .queued = 30});
  check_against_alone(crowd, 20);
  CHECK(crowd.network->largest_sampled <= 3);
}

TEST_CASE("a block of one token and a cache for one sequence still serve everybody") {
  rig crowd({.blocks = 64, .block_tokens = 1});
  check_against_alone(crowd, 20);
}

TEST_CASE("no order of submitting, granting, cancelling and stepping changes an output or loses a block") {
  std::mt19937 random(7);
  auto const roll = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
  for (int round = 0; round < 40; ++round) {
    rig crowd({.blocks = 16 + roll(20), .sequences = 1 + roll(6), .step_tokens = 1 + roll(20)});
    std::map<sequence_handle, std::uint32_t> numbers;
    outcomes got;
    for (int action = 0; action < 300; ++action) {
      auto const number = roll(24);
      auto const any =
          numbers.empty() ? 0 : std::next(numbers.begin(), roll(std::uint32_t(numbers.size())))->first;
      switch (roll(8)) {
      case 0: {
        auto request = mixed_request(number);
        request.credit = roll(3) == 0 ? roll(4) : UINT32_MAX;
        auto const handle = crowd.subject->submit(std::move(request));
        if (handle) numbers[*handle] = number;
        break;
      }
      case 1:
        crowd.subject->grant(any, roll(5));
        break;
      case 2:
        if (roll(3) == 0 && got[any].finish == finish_reason::none) {
          crowd.subject->cancel(any);
          got[any].finish = finish_reason::cancelled;
        }
        break;
      default:
        step_into(*crowd.subject, got);
      }
    }
    for (auto const& [handle, number] : numbers) crowd.subject->grant(handle, UINT32_MAX);
    run(*crowd.subject, got);
    for (auto const& [handle, number] : numbers) {
      auto const expected = alone(number);
      auto const& tokens = got.at(handle).tokens;
      REQUIRE(tokens.size() <= expected.size());
      CHECK(std::equal(tokens.begin(), tokens.end(), expected.begin()));
      if (got.at(handle).finish != finish_reason::cancelled) CHECK(tokens.size() == expected.size());
    }
    CHECK(crowd.network->violations == 0);
    CHECK(crowd.all_blocks_free_and_zero());
  }
}
