// What a real model's run leaves in the memory of its device: nothing.
#include "conversation.hpp"
#include "gpu/engine/paged_engine.hpp"
#include "gpu/kernels/cpu/paged_kv.hpp"
#include "recording_backend.hpp"

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

struct observed_engine {
  observed_engine() {
    auto file = gguf_file::open(std::string(MAYFLY_TEST_MODELS) + "/tiny-default-5.8M-q8_0.gguf");
    REQUIRE(file.has_value());
    auto cpu = make_cpu_backend({2, instruction_set::best});
    REQUIRE(cpu.has_value());
    auto recording = std::make_unique<recording_backend>(std::move(*cpu));
    device = recording.get();
    auto network = load_model(*file, *device, {24, 4});
    REQUIRE(network.has_value());
    auto const shape = kv_shape_of((*network)->parameters(), 12, 8);
    auto memory = device->create_kv_memory(shape);
    REQUIRE(memory.has_value());
    kv = &cpu::of(**memory);
    engine_parts parts{std::move(recording), std::move(*network), std::move(*memory), shape};
    subject = std::make_unique<paged_engine>(std::move(parts), engine_limits{512, {4, 24}, 8});
  }

  std::size_t nonzero_kv_bytes() const {
    auto const* const begin = kv->block(0);
    auto const size = kv->shape().block_bytes() * kv->shape().blocks;
    return static_cast<std::size_t>(
        std::count_if(begin, begin + size, [](std::byte each) { return each != std::byte{0}; }));
  }

  recording_backend* device = nullptr;
  cpu::paged_kv const* kv = nullptr;
  std::unique_ptr<paged_engine> subject;
};

sequence_request request_number(std::uint32_t number) {
  return request_for(prompt_number(number, 20 + number * 9, 4000), 15);
}

} // namespace

TEST_CASE("while a sequence runs its K and V and activations are there to be found") {
  observed_engine observed;
  must_submit(*observed.subject, request_number(1));
  observed.subject->step();
  CHECK(observed.nonzero_kv_bytes() > 10000);
  CHECK(observed.device->nonzero_activations() > 10000);
}

TEST_CASE("after sequences end, with preemptions between, every KV byte is zero, and after scrub every "
          "activation") {
  observed_engine observed;
  for (std::uint32_t number = 0; number < 6; ++number) must_submit(*observed.subject, request_number(number));
  run(*observed.subject);
  CHECK(observed.subject->figures().preemptions > 0);
  CHECK(observed.nonzero_kv_bytes() == 0);
  observed.subject->scrub();
  CHECK(observed.device->nonzero_activations() == 0);
}

TEST_CASE("after a cancellation at any step every KV byte is zero, and after scrub every activation") {
  observed_engine observed;
  for (int steps = 0; steps < 7; ++steps) {
    auto const handle = must_submit(*observed.subject, request_number(4)); // 56 tokens: three chunks
    for (int step = 0; step < steps; ++step) observed.subject->step();
    observed.subject->cancel(handle);
    CHECK(observed.nonzero_kv_bytes() == 0);
    observed.subject->scrub();
    CHECK(observed.device->nonzero_activations() == 0);
  }
}
