// An engine whose model is split over ranks: the same answers, the same promises.
#include "conversation.hpp"
#include "rank_threads.hpp"

#include <algorithm>
#include <cmath>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

engine_options options_for(std::string const& file) {
  engine_options options;
  options.model = std::string(MAYFLY_TEST_MODELS) + "/" + file;
  options.threads = 1;
  options.step_tokens = 32;
  options.max_sequences = 4;
  return options;
}

outcomes answers(engine& subject, std::uint32_t requests) {
  for (std::uint32_t number = 0; number < requests; ++number) {
    auto request = request_for(prompt_number(number, 9 + number * 11), 12);
    request.ignore_stop_tokens = true;
    request.sampling.logprobs = true;
    must_submit(subject, std::move(request));
  }
  return run(subject);
}

/// Both say the same as long as they agree on the tokens; where two tokens are as likely as each other the
/// one may choose either.
void check_alike(outcomes const& alone, outcomes const& split) {
  REQUIRE(alone.size() == split.size());
  for (auto const& [handle, expected] : alone) {
    auto const& got = split.at(handle);
    CHECK(got.finish == expected.finish);
    REQUIRE(got.tokens.size() == expected.tokens.size());
    for (std::size_t index = 0; index < got.tokens.size(); ++index) {
      CAPTURE(handle, index);
      CHECK(std::abs(got.logprobs[index] - expected.logprobs[index]) <= 0.02F);
      if (got.tokens[index] != expected.tokens[index])
        break; // within the tolerance, and another text from here
    }
  }
}

} // namespace

TEST_CASE("a model over several ranks answers as one rank does, with prefill, decode and preemption mixed") {
  auto options = options_for(GENERATE(as<std::string>(), "tiny-default-5.8M-q8_0.gguf", "micro-f32.gguf"));
  auto const ranks = GENERATE(2U, 3U);
  CAPTURE(options.model.path, ranks);
  rank_group alone(options, 1);
  rank_group split(options, ranks);
  split.form();
  auto const expected = answers(*alone.first, 6);
  auto const got = answers(*split.first, 6);
  check_alike(expected, got);
  rank_group again(options, ranks);
  again.form();
  auto const repeated = answers(*again.first, 6);
  for (auto const& [handle, one] : got) {
    CHECK(repeated.at(handle).tokens == one.tokens);
    CHECK(repeated.at(handle).logprobs == one.logprobs);
  }
}

TEST_CASE("all ranks keep as many KV blocks, each of its own KV heads alone") {
  auto options = options_for("tiny-default-5.8M-q8_0.gguf");
  options.kv_bytes = 1 << 20;
  rank_group const alone(options, 1);
  rank_group const split(options, 2);
  auto const blocks = alone.first->figures().kv_blocks;
  CHECK(split.first->figures().kv_blocks == blocks);
  auto const other = split.others[0]->engine().figures();
  CHECK(other.kv_blocks == blocks);
  CHECK(other.kv_bytes <= (1 << 20) / 2);
  CHECK(static_cast<double>(other.weight_bytes) <
        0.6 * static_cast<double>(alone.first->figures().weight_bytes));
  CHECK(other.model_fingerprint == alone.first->figures().model_fingerprint);
}

TEST_CASE("without a group a split model fails its sequences, wiped, and serves once it is formed") {
  rank_group ranks(options_for("micro-f32.gguf"), 2);
  must_submit(*ranks.first, request_for(prompt_number(0, 9), 4));
  auto const unformed = run(*ranks.first);
  CHECK(unformed.begin()->second.finish == finish_reason::failed);
  CHECK(unformed.begin()->second.failure == errc::worker_lost);
  (void)ranks.others[0]->settle();
  ranks.form();
  auto const served = answers(*ranks.first, 1);
  CHECK(served.begin()->second.finish == finish_reason::length);
}

TEST_CASE("a rank that stops amid a sequence fails the group by the deadline, and a new group goes on") {
  rank_group ranks(options_for("tiny-default-5.8M-q8_0.gguf"), 3);
  ranks.form(std::chrono::milliseconds(200));
  auto const expected = answers(*ranks.first, 1).begin()->second.tokens;
  for (int round = 0; round < 5; ++round) {
    std::mutex stuck;
    std::unique_lock hold(stuck);
    must_submit(*ranks.first, request_for(prompt_number(1, 20), 12));
    ranks.first->step();
    ranks.others[1]->tell([&](shard_engine&) -> result<void> {
      std::lock_guard const wait(stuck);
      return {};
    });
    std::optional<sequence_event> last;
    while (ranks.first->has_work())
      for (auto& event : ranks.first->step()) last = std::move(event);
    hold.unlock();
    REQUIRE(last);
    CHECK(last->finish == finish_reason::failed);
    CHECK(last->failure.code == errc::worker_lost);
    CHECK(last->wiped_bytes > 0);
    for (auto const& rank : ranks.others) {
      (void)rank->settle();
      rank->tell([](shard_engine& one) { return one.forget(); });
      CHECK(rank->settle().has_value());
    }
    for (auto const& one : ranks.seats) one->leave();
    ranks.form(std::chrono::milliseconds(2000));
    CHECK(answers(*ranks.first, 1).rbegin()->second.tokens == expected);
  }
}

TEST_CASE("a plan that no engine makes is refused, and computes nothing") {
  rank_group ranks(options_for("micro-f32.gguf"), 2);
  ranks.form();
  auto& subject = ranks.others[0]->engine();
  std::vector<token_id> const tokens{1, 2, 3};
  std::vector<std::uint32_t> const blocks{0}, beyond{1U << 20U};
  auto const outcome_of = [&](std::vector<token_id> const& some, sequence_span const& span,
                              std::vector<std::uint32_t> const& sampled) {
    auto const done = subject.step({some, {&span, 1}, sampled});
    return done ? errc::ok : done.failure().code;
  };
  CHECK(outcome_of({}, {0, 0, 0, blocks}, {}) == errc::malformed);
  CHECK(outcome_of({1, -1, 3}, {0, 3, 0, blocks}, {}) == errc::malformed);
  CHECK(outcome_of({1, 1 << 30, 3}, {0, 3, 0, blocks}, {}) == errc::malformed);
  CHECK(outcome_of(tokens, {0, 2, 0, blocks}, {}) == errc::malformed);  // does not cover
  CHECK(outcome_of(tokens, {1, 3, 0, blocks}, {}) == errc::malformed);  // begins elsewhere
  CHECK(outcome_of(tokens, {0, 3, 0, beyond}, {}) == errc::malformed);  // no such block
  CHECK(outcome_of(tokens, {0, 3, 15, blocks}, {}) == errc::malformed); // beyond its blocks
  CHECK(outcome_of(tokens, {0, 3, UINT32_MAX, blocks}, {}) == errc::malformed);
  CHECK(outcome_of(tokens, {0, 3, 0, blocks}, {3}) == errc::malformed);    // samples beyond
  CHECK(outcome_of(tokens, {0, 3, 0, blocks}, {2, 2}) == errc::malformed); // twice
  CHECK(subject.wipe(beyond, wipe_extent::blocks).failure().code == errc::malformed);
  CHECK(ranks.seats[1]->poll() == collective_state::ok);
  CHECK(answers(*ranks.first, 1).begin()->second.finish == finish_reason::length);
}

TEST_CASE("each rank loads by its own part, and no other") {
  auto options = options_for("micro-f32.gguf");
  options.part = {1, 2, std::make_shared<seat>(1, 2), nullptr};
  CHECK(engine::load(options).failure().code == errc::configuration);
  options.part = {0, 2, std::make_shared<seat>(0, 2), nullptr};
  CHECK(shard_engine::load(options).failure().code == errc::configuration);
  options.part = {2, 2, std::make_shared<seat>(2, 2), nullptr};
  CHECK(shard_engine::load(options).failure().code == errc::configuration);
}
