// Steps at the level of the contract: which are recorded, what replays them, what makes a recording void.
#include "tests/gpu/core/kernels/backends.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu::testing {
namespace {

/// Steps of one token, or two of one sequence, that embed it.
struct stepping {
  stepping()
      : table(random_tensor(tensor_type::f32, 8, 64, random)), weight(prepared(*device, table.view())) {
    auto made = device->create_kv_memory({4, 16, 1, 1, 64});
    if (!made) throw std::logic_error("no KV memory");
    kv = std::move(*made);
  }

  step_course run(std::vector<token_id> const& tokens, float* out, void const* owner) {
    sequence_span const span{0, static_cast<std::uint32_t>(tokens.size()), 5, blocks};
    auto const last = static_cast<std::uint32_t>(tokens.size()) - 1;
    step_inputs const inputs{tokens, {&span, 1}, {&last, 1}, {1, 1, 64, 1.0F}, kv.get()};
    auto const course = device->begin_step(inputs, owner);
    if (course == step_course::replayed) return course;
    device->embed(*weight, 0, inputs.tokens, out);
    device->end_step();
    return course;
  }
  std::vector<float> row(std::size_t index) const {
    auto const values = table.values();
    auto const first = values.begin() + static_cast<std::ptrdiff_t>(index * 64);
    return {first, first + 64};
  }

  random_numbers random{401};
  std::unique_ptr<cuda::cuda_backend> device = emulated_cuda();
  stored_tensor table;
  std::unique_ptr<packed_weight> weight;
  std::unique_ptr<kv_memory> kv;
  std::vector<std::uint32_t> blocks{2};
};

} // namespace

TEST_CASE("a decode step is computed, then recorded, then replayed over the tokens of its own time") {
  stepping steps;
  int owner = 0;
  device_floats const out(*steps.device, 64);
  for (token_id token = 0; token < 6; ++token) {
    auto const course = steps.run({token}, out.get(), &owner);
    CHECK(course == (token < 2 ? step_course::compute : step_course::replayed));
    CHECK(out.read() == steps.row(static_cast<std::size_t>(token)));
  }
}

TEST_CASE("steps without an owner's promise, and those that are no decode, are never recorded") {
  stepping steps;
  int owner = 0;
  device_floats const out(*steps.device, 2 * 64);
  for (int i = 0; i < 4; ++i) {
    CHECK(steps.run({1}, out.get(), nullptr) == step_course::compute);
    CHECK(steps.run({1, 2}, out.get(), &owner) == step_course::compute);
  }
}

TEST_CASE("another owner's steps are recorded apart") {
  stepping steps;
  int one = 0;
  int other = 0;
  device_floats const first(*steps.device, 64);
  device_floats const second(*steps.device, 64);
  for (int i = 0; i < 3; ++i) steps.run({3}, first.get(), &one);
  CHECK(steps.run({4}, second.get(), &other) == step_course::compute);
  CHECK(second.read() == steps.row(4));
  CHECK(first.read() == steps.row(3));
}

TEST_CASE(
    "a weight, KV memory or activations that come or go void every recording: addresses may be taken again") {
  int owner = 0;
  auto const recorded = [&](stepping& steps, float* out) {
    for (int i = 0; i < 3; ++i) steps.run({3}, out, &owner);
    return steps.run({3}, out, &owner) == step_course::replayed;
  };
  stepping steps;
  device_floats const out(*steps.device, 64);
  REQUIRE(recorded(steps, out.get()));
  steps.table = random_tensor(tensor_type::f32, 8, 64, steps.random);
  steps.weight = prepared(*steps.device, steps.table.view());
  CHECK(steps.run({3}, out.get(), &owner) == step_course::compute);
  CHECK(out.read() == steps.row(3));
  REQUIRE(recorded(steps, out.get()));
  REQUIRE(steps.device->create_kv_memory({4, 16, 1, 1, 64}));
  CHECK(steps.run({3}, out.get(), &owner) == step_course::compute);
  REQUIRE(recorded(steps, out.get()));
  steps.device->release(steps.device->allocate(10), 10);
  CHECK(steps.run({3}, out.get(), &owner) == step_course::compute);
}

TEST_CASE("tables that outgrow their memory void recordings, and the step is right all the same") {
  stepping steps;
  int owner = 0;
  device_floats const out(*steps.device, 64);
  for (int i = 0; i < 3; ++i) steps.run({3}, out.get(), &owner);
  steps.blocks.assign(5000, 2);
  CHECK(steps.run({6}, out.get(), &owner) == step_course::compute);
  CHECK(out.read() == steps.row(6));
}

} // namespace mayfly::gpu::testing
