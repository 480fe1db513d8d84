// Ranks on CUDA devices: the emulated backend, and the fake NCCL, which keeps what went through it.
#include "../collective/fake_nccl_group.hpp"
#include "conversation.hpp"
#include "rank_threads.hpp"

#include <cmath>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

constexpr std::chrono::milliseconds short_patience{200};

engine_options options_for(device_kind kind) {
  engine_options options;
  options.model = std::string(MAYFLY_TEST_MODELS) + "/micro-f32.gguf";
  options.device = {kind, 0, std::string(MAYFLY_TEST_PLUGINS) + "/emulated.so", MAYFLY_FAKE_NCCL};
  options.threads = 1;
  options.step_tokens = 16;
  options.max_sequences = 2;
  return options;
}

outcomes answers(engine& subject) {
  for (std::uint32_t number = 0; number < 3; ++number) {
    auto request = request_for(prompt_number(number, 5 + number * 7), 6);
    request.ignore_stop_tokens = true;
    request.sampling.logprobs = true;
    must_submit(subject, std::move(request));
  }
  return run(subject);
}

int residue() { return fake_control<int()>("fake_nccl_residue")(); }

} // namespace

TEST_CASE("ranks on CUDA devices sum by NCCL, answer as one device does, and leave nothing in its buffers") {
  fake_control<void()>("fake_nccl_forget")();
  auto const ranks = GENERATE(2U, 3U);
  auto const options = options_for(GENERATE(device_kind::any, device_kind::cuda));
  rank_group alone(options, 1);
  CHECK_FALSE(alone.seats[0]->meets_on_device());
  rank_group split(options, ranks);
  REQUIRE(split.seats[0]->meets_on_device());
  split.form();
  auto const expected = answers(*alone.first);
  auto const got = answers(*split.first);
  REQUIRE(got.size() == expected.size());
  for (auto const& [handle, one] : expected) {
    CHECK(got.at(handle).finish == finish_reason::length);
    CHECK(got.at(handle).tokens == one.tokens);
    for (std::size_t index = 0; index < one.logprobs.size(); ++index)
      CHECK(std::abs(got.at(handle).logprobs.at(index) - one.logprobs[index]) <= 0.02F);
  }
  split.first->scrub();
  CHECK(residue() == 0);
}

TEST_CASE("numbers lie in NCCL's buffers until the last of what runs is wiped") {
  fake_control<void()>("fake_nccl_forget")();
  rank_group split(options_for(device_kind::cuda), 2);
  split.form();
  must_submit(*split.first, request_for(prompt_number(0, 5), 20));
  (void)split.first->step();
  CHECK(residue() > 0);
  (void)run(*split.first);
  split.first->scrub();
  CHECK(residue() == 0);
}

TEST_CASE("without NCCL ranks that may choose compute on processors, and those that may not do not load") {
  auto options = options_for(device_kind::any);
  options.device.nccl = "/nowhere/libnccl.so.2";
  rank_group const split(options, 2);
  CHECK_FALSE(split.seats[0]->meets_on_device());
  CHECK(split.first->backend_name() != literal("cuda-emulated"));
  options.device.kind = device_kind::cuda;
  options.part = {0, 2, std::make_shared<seat>(0, 2), nullptr};
  CHECK(engine::load(options).failure().code == errc::configuration);
}

TEST_CASE("a rank whose device's sums hang fails the group, and the next group computes") {
  rank_group split(options_for(device_kind::cuda), 2);
  split.form(short_patience);
  (void)answers(*split.first);
  {
    bad_mood const mood(misbehaviour::operation_hangs);
    must_submit(*split.first, request_for(prompt_number(1, 9), 6));
    auto const lost = run(*split.first);
    REQUIRE(lost.size() == 1);
    CHECK(lost.begin()->second.finish == finish_reason::failed);
    CHECK(split.seats[0]->poll() == collective_state::failed);
  }
  for (auto const& place : split.seats) place->leave();
  (void)split.others[0]->settle();
  split.form();
  for (auto const& [handle, one] : answers(*split.first)) CHECK(one.finish == finish_reason::length);
}

TEST_CASE("ranks that do not meet on their devices, or are told not to wait, form no group") {
  rank_group const split(options_for(device_kind::cuda), 2);
  auto const meeting = split.seats[0]->make_meeting();
  REQUIRE(meeting.has_value());
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int asked = 0;
  CHECK(
      split.seats[0]->meet(meeting->reveal(), short_patience, [&] { return ++asked == 3; }).failure().code ==
      errc::cancelled);
  CHECK(std::chrono::steady_clock::now() < until);
  CHECK(split.seats[0]->poll() == collective_state::failed);
  CHECK(split.seats[1]->meet({}, short_patience, {}).failure().code == errc::malformed);
}
