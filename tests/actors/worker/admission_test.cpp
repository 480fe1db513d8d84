#include "actors/worker/admission.hpp"

#include "tests/actors/answers.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;
using namespace mayfly::testing;

namespace {

messages::infer acceptable() {
  auto infer = completion("tiny", "hello", 4);
  infer.credit = 1;
  infer.time_left = 1s;
  return infer;
}

errc judged(messages::infer const& request, bool draining = false, bool served = true) {
  auto const result = judge_request(request, draining, served);
  return result ? errc::ok : result.failure().code;
}

} // namespace

TEST_CASE("a worker judges before it touches content") {
  auto infer = acceptable();
  CHECK(judged(infer) == errc::ok);
  CHECK(judged(infer, true) == errc::draining);
  CHECK(judged(infer, false, false) == errc::model_not_found);
  SECTION("time") {
    infer.time_left = 0ms;
    CHECK(judged(infer) == errc::deadline_exceeded);
  }
  SECTION("credit") {
    infer.credit = 0;
    CHECK(judged(infer) == errc::invalid_request);
  }
  SECTION("stop strings") {
    for (int count = 0; count < 4; ++count) infer.stop.emplace_back("x");
    CHECK(judged(infer) == errc::ok);
    infer.stop.emplace_back("x");
    CHECK(judged(infer) == errc::invalid_request);
  }
  SECTION("a conversation without messages") {
    infer.kind = messages::prompt_kind::chat;
    CHECK(judged(infer) == errc::invalid_request);
  }
  SECTION("no tokens") {
    infer.kind = messages::prompt_kind::tokens;
    CHECK(judged(infer) == errc::invalid_request);
  }
}

TEST_CASE("an answer has the room that prompt and context leave") {
  CHECK(*room_for_answer(10, 0, 16) == 6);
  CHECK(*room_for_answer(10, 6, 16) == 6);
  CHECK(*room_for_answer(10, 2, 16) == 2);
  CHECK(room_for_answer(10, 7, 16).failure().code == errc::context_length_exceeded);
  CHECK(room_for_answer(16, 0, 16).failure().number == 16);
  CHECK(room_for_answer(100, 1, 16).failure().code == errc::context_length_exceeded);
}
