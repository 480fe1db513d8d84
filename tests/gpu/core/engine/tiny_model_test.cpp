// The engine's promises on a real model and the CPU backend.
#include "../model/golden_numerics.hpp"
#include "conversation.hpp"

#include <algorithm>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

engine_options tiny(unsigned threads = 2) {
  engine_options options;
  options.model = std::string(MAYFLY_TEST_MODELS) + "/tiny-default-5.8M-q8_0.gguf";
  options.threads = threads;
  return options;
}

std::unique_ptr<engine> load(engine_options const& options) {
  auto loaded = engine::load(options);
  REQUIRE(loaded.has_value());
  return std::move(*loaded);
}

/// Request `number`: a real prompt of its own length; every third greedy, the others sampled with a seed, one
/// of them with penalties. Log probabilities are asked for, so that comparing them compares logits to the
/// bit.
sequence_request request_number(std::uint32_t number) {
  static auto const golden = read_golden_numerics("tiny-default-5.8M-q8_0");
  auto const& tokens = golden.sequences[number % golden.sequences.size()].tokens;
  auto const length =
      static_cast<std::ptrdiff_t>(std::min<std::size_t>(tokens.size(), 5 + number * 29 % 110));
  auto request = request_for({tokens.begin(), tokens.begin() + length}, 20 + number * 5 % 17);
  request.ignore_stop_tokens = true;
  request.account = number % 2;
  auto& sampling = request.sampling;
  sampling.logprobs = true;
  if (number % 3 == 0) return request;
  sampling.temperature = 0.8F;
  sampling.seed = number;
  if (number % 3 == 1) sampling.top_p = 0.9F;
  if (number % 3 == 2) sampling.repetition_penalty = 1.2F;
  return request;
}

constexpr std::uint32_t crowd_size = 9;

std::vector<outcome> const& alone() {
  static auto const outcomes_alone = [] {
    std::vector<outcome> each;
    auto const subject = load(tiny(1));
    for (std::uint32_t number = 0; number < crowd_size; ++number) {
      auto const handle = must_submit(*subject, request_number(number));
      each.push_back(run(*subject).at(handle));
    }
    return each;
  }();
  return outcomes_alone;
}

/// Runs all requests together; each must give to the bit what it gives alone. Returns the preemptions.
std::uint64_t check_crowd(engine_options const& options) {
  auto const subject = load(options);
  std::vector<sequence_handle> handles;
  for (std::uint32_t number = 0; number < crowd_size; ++number)
    handles.push_back(must_submit(*subject, request_number(number)));
  auto const got = run(*subject);
  for (std::uint32_t number = 0; number < crowd_size; ++number) {
    CAPTURE(number);
    CHECK(got.at(handles[number]).finish == finish_reason::length);
    CHECK(got.at(handles[number]).tokens == alone()[number].tokens);
    CHECK(got.at(handles[number]).logprobs == alone()[number].logprobs);
  }
  auto const figures = subject->figures();
  CHECK(figures.kv_blocks_free == figures.kv_blocks);
  return figures.preemptions;
}

} // namespace

TEST_CASE("a real model's output is the same to the bit alone and in a batch") { check_crowd(tiny()); }

TEST_CASE("a real model's output is the same to the bit with any number of tokens in a step") {
  for (std::uint32_t const tokens : {1U, 7U, 33U}) {
    CAPTURE(tokens);
    auto options = tiny();
    options.step_tokens = tokens;
    check_crowd(options);
  }
}

TEST_CASE("a real model's output is the same to the bit with any number of threads") {
  for (unsigned const threads : {1U, 3U, 4U}) {
    CAPTURE(threads);
    check_crowd(tiny(threads));
  }
}

TEST_CASE("a real model's output is the same to the bit with any block length") {
  for (std::uint32_t const tokens : {1U, 8U, 64U}) {
    CAPTURE(tokens);
    auto options = tiny();
    options.block_tokens = tokens;
    check_crowd(options);
  }
}

TEST_CASE("a real model's output is the same to the bit when KV blocks run out") {
  auto options = tiny();
  options.block_tokens = 8;
  // 24 blocks: one of the longer sequences and a half. A block is 2 * 2 bytes * 6 layers * 2 heads * 8 * 64.
  options.kv_bytes = std::size_t{24} * 4 * 6 * 2 * 8 * 64;
  CHECK(check_crowd(options) > 0);
}

TEST_CASE("an engine says what it loaded") {
  auto const subject = load(tiny());
  CHECK(subject->vocabulary_size() == 4096);
  CHECK(subject->context_tokens() == 512);
  CHECK(subject->figures().weight_bytes > 5'000'000);
  CHECK(subject->figures().kv_blocks == 2 * 512 / 16);
  CHECK(subject->backend_name().view().starts_with("cpu"));
}

TEST_CASE("options that fit no engine are refused") {
  auto const refusal = [](auto change) {
    auto options = tiny();
    change(options);
    auto const loaded = engine::load(options);
    return loaded ? errc::ok : loaded.failure().code;
  };
  CHECK(refusal([](auto& o) { o.model = "/no/such/file"; }) == errc::io);
  CHECK(refusal([](auto& o) { o.context_tokens = 513; }) == errc::configuration);
  CHECK(refusal([](auto& o) { o.kv_bytes = 100; }) == errc::configuration);
  CHECK(refusal([](auto& o) { o.block_tokens = 0; }) == errc::configuration);
  CHECK(refusal([](auto& o) { o.step_tokens = 0; }) == errc::configuration);
  CHECK(refusal([](auto& o) { o.max_sequences = 0; }) == errc::configuration);
}

TEST_CASE("scrubbing between steps of a real model does not disturb its sequences") {
  auto const subject = load(tiny());
  auto const handle = must_submit(*subject, request_number(0));
  outcomes got;
  while (subject->has_work()) {
    step_into(*subject, got);
    subject->scrub();
  }
  CHECK(got.at(handle).tokens == alone()[0].tokens);
}

TEST_CASE("cancelling a real model's sequence at any step frees its blocks") {
  auto options = tiny();
  options.step_tokens = 16;
  auto const subject = load(options);
  for (int steps = 0; steps < 8; ++steps) {
    auto const handle = must_submit(*subject, request_number(2));
    outcomes got;
    for (int step = 0; step < steps; ++step) step_into(*subject, got);
    CHECK(subject->cancel(handle) > 0);
    CHECK(subject->figures().kv_blocks_free == subject->figures().kv_blocks);
  }
}
