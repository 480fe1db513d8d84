#include "conversation.hpp"
#include "fake_device.hpp"

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

/// A batcher over its own table and pool; computing a plan is pretended.
struct planner {
  explicit planner(std::uint32_t blocks, batch_limits limits)
      : machine(parts_of(blocks)), pool(machine), subject(pool, limits) {}

  static engine_parts parts_of(std::uint32_t blocks) {
    kv_shape const shape{blocks, 4, 1, 1, 1};
    return {std::make_unique<fake_backend>(), nullptr, std::make_unique<fake_kv>(shape), shape};
  }

  sequence& add(std::uint32_t prompt_length, std::uint64_t account = 0, std::int32_t priority = 0) {
    auto request = request_for(prompt_number(0, prompt_length), 1000);
    request.account = account;
    request.priority = priority;
    auto made = std::make_unique<sequence>(++last, std::move(request), 100000);
    auto& added = *table.emplace(last, std::move(made)).first->second;
    subject.enter(added);
    return added;
  }

  /// Tokens of each sequence in the next step, which then counts as computed.
  std::map<sequence_handle, std::uint32_t> step() {
    std::map<sequence_handle, std::uint32_t> tokens;
    for (auto const& share : subject.plan(table, ++steps)) {
      CHECK_FALSE(tokens.contains(share.subject->handle));
      tokens[share.subject->handle] = share.tokens;
      bool const samples = share.samples();
      subject.advance(share);
      if (samples) share.subject->add(1);
    }
    return tokens;
  }

  executor machine;
  block_pool pool;
  batcher subject;
  sequence_table table;
  sequence_handle last = 0;
  std::uint64_t steps = 0;
};

using tokens_of = std::map<sequence_handle, std::uint32_t>;

} // namespace

TEST_CASE("sequences in decode get their token first, prefill the rest of the step") {
  planner steps(100, {8, 10});
  steps.add(3);
  steps.add(2);
  CHECK(steps.step() == tokens_of{{1, 3}, {2, 2}});
  steps.add(50);
  CHECK(steps.step() == tokens_of{{1, 1}, {2, 1}, {3, 8}});
  CHECK(steps.step() == tokens_of{{1, 1}, {2, 1}, {3, 8}});
}

TEST_CASE("prefill beside decode keeps to its own bound, and takes the whole step once nobody decodes") {
  planner steps(100, {8, 10, 4});
  steps.add(3);
  CHECK(steps.step() == tokens_of{{1, 3}});
  steps.add(30);
  CHECK(steps.step() == tokens_of{{1, 1}, {2, 4}});
  steps.table.erase(1);
  CHECK(steps.step() == tokens_of{{2, 10}});
}

TEST_CASE("within an account the oldest prompt is computed first") {
  planner steps(100, {8, 10});
  steps.add(15);
  steps.add(15);
  CHECK(steps.step() == tokens_of{{1, 10}});
  CHECK(steps.step() == tokens_of{{1, 5}, {2, 5}});
}

TEST_CASE("accounts share a step's prefill evenly, however many sequences each has") {
  planner steps(100, {8, 12});
  steps.add(40, 1);
  steps.add(40, 1);
  steps.add(40, 1);
  steps.add(40, 2);
  CHECK(steps.step() == tokens_of{{1, 6}, {4, 6}});
  steps.add(40, 3);
  CHECK(steps.step() == tokens_of{{1, 4}, {4, 4}, {5, 4}});
}

TEST_CASE("what one account does not need of its share goes to the others") {
  planner steps(100, {8, 12});
  steps.add(2, 1);
  steps.add(40, 2);
  CHECK(steps.step() == tokens_of{{1, 2}, {2, 10}});
}

TEST_CASE("a higher priority takes the whole prefill before a lower one gets any") {
  planner steps(100, {8, 12});
  steps.add(40, 1, 0);
  steps.add(20, 2, 5);
  CHECK(steps.step() == tokens_of{{2, 12}});
  CHECK(steps.step() == tokens_of{{2, 8}, {1, 4}});
}

TEST_CASE("an account that floods the queue does not keep the next account's first sequence from starting") {
  planner steps(100, {2, 16});
  for (int count = 0; count < 10; ++count) steps.add(8, 1);
  CHECK(steps.step() == tokens_of{{1, 8}, {2, 8}});
  steps.add(8, 2);
  CHECK(steps.step() == tokens_of{{1, 1}, {2, 1}});
  steps.table.erase(1); // one ends; its place goes to the account served least
  CHECK(steps.step() == tokens_of{{2, 1}, {11, 8}});
}

TEST_CASE("a long prompt that does not fit yet is not overtaken for ever by short ones") {
  planner steps(10, {8, 64});
  auto& first = steps.add(24); // 6 blocks, soon 7
  CHECK(steps.step() == tokens_of{{1, 24}});
  steps.add(30); // 8 blocks
  steps.add(4);  // would fit
  CHECK(steps.step() == tokens_of{{1, 1}});
  steps.pool.release(first.blocks);
  steps.table.erase(1);
  CHECK(steps.step() == tokens_of{{2, 30}, {3, 4}});
}

TEST_CASE("starting a sequence leaves a block free for each that runs") {
  planner steps(4, {8, 64});
  steps.add(4);
  steps.add(4);
  steps.add(4);
  CHECK(steps.step() == tokens_of{{1, 4}, {2, 4}});
  CHECK(steps.pool.free() == 2);
}

TEST_CASE("the sequence that needs a block takes it from the youngest behind it") {
  planner steps(6, {8, 64});
  steps.add(4);
  steps.add(4);
  steps.add(4);
  for (int count = 0; count < 5; ++count) CHECK(steps.step().size() == 3);
  CHECK(steps.pool.free() == 0); // each holds two blocks, and needs a third for its ninth token
  CHECK(steps.step() == tokens_of{{1, 1}, {2, 1}});
  CHECK(steps.table.at(3)->computed == 0);
  CHECK(steps.subject.preemptions() == 1);
}

TEST_CASE("an account is not charged for what a preemption makes it compute again") {
  planner steps(8, {8, 64});
  auto& sequence = steps.add(8, 1);
  steps.step();
  auto const charged = sequence.charged;
  steps.pool.release(sequence.blocks);
  sequence.running = false;
  sequence.computed = 0;
  CHECK(steps.step() == tokens_of{{1, 9}});
  CHECK(sequence.charged == charged + 1);
}

TEST_CASE("seats rotate, so that every running sequence advances") {
  planner steps(100, {2, 64});
  for (int count = 0; count < 2; ++count) steps.add(3, static_cast<std::uint64_t>(count));
  steps.step();
  for (auto& [handle, subject] : steps.table) subject->credit = 0;
  for (int count = 0; count < 2; ++count) steps.add(3, static_cast<std::uint64_t>(count));
  steps.step();
  for (auto& [handle, subject] : steps.table) subject->credit = UINT32_MAX;
  tokens_of advanced;
  for (int count = 0; count < 10; ++count)
    for (auto const& [handle, tokens] : steps.step()) advanced[handle] += tokens;
  CHECK(advanced == tokens_of{{1, 5}, {2, 5}, {3, 5}, {4, 5}});
}
