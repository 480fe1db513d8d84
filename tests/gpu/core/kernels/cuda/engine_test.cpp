// Whole models on the emulated CUDA backend: the same greedy tokens as on processors, replayed steps that
// change nothing, and no trace of what ended.
#include "gpu/engine/paged_engine.hpp"
#include "gpu/kernels/emulation/queue.hpp"
#include "tests/gpu/core/engine/conversation.hpp"
#include "tests/gpu/core/kernels/backends.hpp"

#include <algorithm>
#include <cstring>

namespace mayfly::gpu::testing {
namespace {

constexpr char const* tiny = "tiny-default-5.8M-q8_0";

/// An engine over a device whose memory the test sees.
struct observed_engine {
  observed_engine(std::string const& model, std::unique_ptr<backend> on, bool floats_in_cache = false) {
    auto const file = gguf_file::open(std::string(MAYFLY_TEST_MODELS) + "/" + model + ".gguf");
    REQUIRE(file.has_value());
    auto network = load_model(*file, *on, {48, 4});
    REQUIRE(network.has_value());
    auto shape = kv_shape_of((*network)->parameters(), 24, 16);
    shape.precision = floats_in_cache ? kv_precision::f32 : on->kv_precision_for(false);
    auto memory = on->create_kv_memory(shape);
    REQUIRE(memory.has_value());
    engine_parts parts{std::move(on), std::move(*network), std::move(*memory), shape, {}};
    subject = std::make_unique<paged_engine>(std::move(parts), engine_limits{384, {4, 48}, 8});
  }
  std::unique_ptr<paged_engine> subject;
};

struct cuda_engine {
  explicit cuda_engine(std::string const& model, emulation::queue_faults const& faults = {}) {
    auto device = emulated_cuda(faults);
    cuda = device.get();
    engine = std::make_unique<observed_engine>(model, std::move(device));
  }
  paged_engine& subject() { return *engine->subject; }
  emulation::emulated_queue& queue() { return static_cast<emulation::emulated_queue&>(cuda->queue()); }

  cuda::cuda_backend* cuda = nullptr;
  std::unique_ptr<observed_engine> engine;
};

sequence_request greedy(std::uint32_t number, std::uint32_t length, std::uint32_t vocabulary,
                        std::uint32_t tokens) {
  auto request = request_for(prompt_number(number, length, vocabulary), tokens);
  request.ignore_stop_tokens = true;
  return request;
}

/// What three sequences of different lengths get, running side by side.
std::vector<std::vector<token_id>> generate(paged_engine& subject, std::uint32_t tokens) {
  std::vector<sequence_handle> handles;
  for (std::uint32_t number = 0; number < 3; ++number)
    handles.push_back(
        must_submit(subject, greedy(number, 5 + number * 14, subject.vocabulary_size(), tokens)));
  auto const got = run(subject);
  std::vector<std::vector<token_id>> all;
  for (auto const handle : handles) {
    CHECK(got.at(handle).finish == finish_reason::length);
    all.push_back(got.at(handle).tokens);
  }
  return all;
}

/// Content seen at an address in the middle of a run: 16 bytes, neither zero nor fresh memory.
struct sighting {
  std::byte const* at;
  std::array<std::byte, 16> bytes;
  bool still_there() const { return std::memcmp(at, bytes.data(), bytes.size()) == 0; }
};

std::vector<sighting> content_of(cuda::cuda_backend const& device) {
  std::vector<sighting> seen;
  for (auto const area : device.content_memory()) {
    for (std::size_t at = 0; at + 16 <= area.size(); at += 64) {
      sighting one{area.data() + at, {}};
      std::memcpy(one.bytes.data(), one.at, one.bytes.size());
      bool const plain = std::all_of(one.bytes.begin(), one.bytes.end(), [&](std::byte each) {
        return each == std::byte{0} || each == std::byte{0xFF};
      });
      if (!plain) seen.push_back(one);
    }
  }
  return seen;
}

/// How many sightings of the middle of a run are still there after its end and a scrub.
std::size_t left_behind(emulation::queue_faults const& faults) {
  cuda_engine device("micro-mixed", faults);
  must_submit(device.subject(), greedy(1, 30, device.subject().vocabulary_size(), 3));
  must_submit(device.subject(), greedy(2, 20, device.subject().vocabulary_size(), 3));
  std::vector<sighting> seen;
  while (device.subject().has_work()) {
    device.subject().step();
    auto const now = content_of(*device.cuda);
    seen.insert(seen.end(), now.begin(), now.end());
  }
  REQUIRE(seen.size() > 1000);
  device.subject().scrub();
  auto const left =
      std::count_if(seen.begin(), seen.end(), [](sighting const& each) { return each.still_there(); });
  if (!faults.clears_nothing) {
    for (auto const area : device.cuda->content_memory())
      CHECK(std::all_of(area.begin(), area.end(), [](std::byte each) { return each == std::byte{0}; }));
  }
  return static_cast<std::size_t>(left);
}

} // namespace

TEST_CASE("a model on the emulated CUDA backend says greedily what it says on processors") {
  for (auto const* model : {tiny, "micro-f32", "micro-f16", "micro-mixed"}) {
    CAPTURE(model);
    observed_engine processors(model, backend_for(instruction_set::best, 1), true);
    cuda_engine device(model);
    CHECK(generate(device.subject(), 6) == generate(*processors.subject, 6));
    CHECK(device.queue().broken().empty());
    CHECK(device.subject().backend_name().view() == "cuda-emulated");
  }
}

TEST_CASE("decode steps are replayed from a recording and give what computing them gives") {
  emulation::queue_faults never_records;
  never_records.records = false;
  cuda_engine computed("micro-mixed", never_records);
  cuda_engine replayed("micro-mixed");
  auto const expected = generate(computed.subject(), 14);
  CHECK(generate(replayed.subject(), 14) == expected);
  CHECK(computed.queue().replays() == 0);
  // The first two steps of a kind are computed and recorded; prompts are no decode.
  auto const first = replayed.queue().replays();
  CHECK(first >= 10);
  // Other KV blocks, other tokens, other positions: the recordings still hold, and are replayed at once.
  CHECK(generate(replayed.subject(), 14) == expected);
  CHECK(replayed.queue().replays() - first > first);
}

TEST_CASE("nothing of a sequence is left on the device after its end and a scrub") {
  CHECK(left_behind({}) == 0);
}

TEST_CASE("with wiping off the same search finds what sequences left") {
  emulation::queue_faults forgetless;
  forgetless.clears_nothing = true;
  CHECK(left_behind(forgetless) > 1000);
}

TEST_CASE(
    "sampled requests draw on the device; those with log probabilities, biases or penalties on the host") {
  cuda_engine device("micro-mixed");
  auto const tokens_of = [&](auto change) {
    auto request = greedy(1, 9, device.subject().vocabulary_size(), 6);
    request.sampling.temperature = 0.9F;
    request.sampling.seed = 7;
    change(request);
    auto const handle = must_submit(device.subject(), std::move(request));
    return run(device.subject()).at(handle);
  };
  auto const on_device = tokens_of([](auto&) {});
  CHECK(on_device.tokens.size() == 6);
  CHECK(on_device.tokens == tokens_of([](auto&) {}).tokens); // the seed decides
  CHECK(on_device.tokens != tokens_of([](auto& request) { request.sampling.seed = 8; }).tokens);
  auto const with_logprobs = tokens_of([](auto& request) { request.sampling.logprobs = true; });
  CHECK(std::all_of(with_logprobs.logprobs.begin(), with_logprobs.logprobs.end(),
                    [](float each) { return each < 0; }));
  auto const biased = tokens_of([](auto& request) { request.bias.push_back({5, 1000.0F}); });
  CHECK(biased.tokens == std::vector<token_id>(6, 5));
}

TEST_CASE("a device that fails in mid-run ends every sequence with an error, and none is taken for wiped") {
  cuda_engine device("micro-mixed");
  auto const handle = must_submit(device.subject(), greedy(0, 9, 40, 30));
  device.subject().step();
  device.queue().break_down();
  outcomes got;
  step_into(device.subject(), got);
  CHECK(got.at(handle).finish == finish_reason::failed);
  CHECK(got.at(handle).failure == errc::backend_failed);
  CHECK_FALSE(device.subject().wiped());
}

} // namespace mayfly::gpu::testing
