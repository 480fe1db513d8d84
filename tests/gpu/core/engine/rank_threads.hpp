#pragma once
// A tensor-parallel group in one process: rank 0's engine here, the other ranks on threads of their own.
#include "../collective/groups.hpp"
#include "gpu/group.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace mayfly::gpu::testing {

/// A rank beside the first: does what it is told, in order, on its own thread. Ends with its first error.
class rank_thread {
public:
  explicit rank_thread(std::unique_ptr<shard_engine> engine)
      : engine_(std::move(engine)), thread_([this] { loop(); }) {}
  ~rank_thread() {
    tell([this](shard_engine&) -> result<void> {
      ended_ = true;
      return {};
    });
    thread_.join();
  }

  void tell(std::function<result<void>(shard_engine&)> order) {
    std::lock_guard const lock(mutex_);
    orders_.push_back(std::move(order));
    news_.notify_all();
  }
  /// What became of all orders so far.
  result<void> settle() {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [this] { return orders_.empty() && !busy_; });
    return std::exchange(outcome_, {});
  }
  shard_engine& engine() noexcept { return *engine_; }

private:
  void loop() {
    while (!ended_) {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return !orders_.empty(); });
      auto const order = std::move(orders_.front());
      orders_.pop_front();
      busy_ = true;
      lock.unlock();
      auto const done = order(*engine_);
      lock.lock();
      if (!done && outcome_) outcome_ = done;
      busy_ = false;
      news_.notify_all();
    }
  }

  std::unique_ptr<shard_engine> engine_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<result<void>(shard_engine&)>> orders_;
  result<void> outcome_;
  bool busy_ = false;
  bool ended_ = false; ///< the thread's own
  std::thread thread_;
};

/// A plan as it would arrive over a wire: a copy of its own.
struct copied_step {
  explicit copied_step(step_batch const& batch)
      : tokens(batch.tokens.begin(), batch.tokens.end()),
        sampled(batch.sampled.begin(), batch.sampled.end()) {
    for (auto const& span : batch.sequences) {
      blocks.emplace_back(span.blocks.begin(), span.blocks.end());
      sequences.push_back({span.first_token, span.token_count, span.first_position, blocks.back()});
    }
  }
  step_batch view() const { return {tokens, sequences, sampled}; }

  std::vector<token_id> tokens;
  std::deque<std::vector<std::uint32_t>> blocks;
  std::vector<sequence_span> sequences;
  std::vector<std::uint32_t> sampled;
};

class thread_followers final : public followers {
public:
  explicit thread_followers(std::vector<std::unique_ptr<rank_thread>>& ranks) : ranks_(ranks) {}
  void step(step_batch const& batch) override {
    auto const copy = std::make_shared<copied_step>(batch);
    for (auto const& rank : ranks_) rank->tell([copy](shard_engine& one) { return one.step(copy->view()); });
  }
  void wipe(std::span<std::uint32_t const> blocks, wipe_extent extent) override {
    std::vector<std::uint32_t> const copy(blocks.begin(), blocks.end());
    for (auto const& rank : ranks_)
      rank->tell([copy, extent](shard_engine& one) { return one.wipe(copy, extent); });
  }
  result<void> settle() override {
    result<void> outcome;
    for (auto const& rank : ranks_)
      if (auto const done = rank->settle(); !done && outcome) outcome = done;
    return outcome;
  }

private:
  std::vector<std::unique_ptr<rank_thread>>& ranks_;
};

struct rank_group {
  /// Loads every rank; `form` makes it a group.
  rank_group(engine_options options, std::uint32_t ranks) {
    for (std::uint32_t rank = 0; rank < ranks; ++rank) seats.push_back(std::make_shared<seat>(rank, ranks));
    for (std::uint32_t rank = 1; rank < ranks; ++rank) {
      options.part = {rank, ranks, seats[rank], nullptr};
      auto loaded = shard_engine::load(options);
      REQUIRE(loaded.has_value());
      others.push_back(std::make_unique<rank_thread>(std::move(*loaded)));
    }
    options.part = {0, ranks, ranks > 1 ? seats[0] : nullptr,
                    ranks > 1 ? std::make_shared<thread_followers>(others) : nullptr};
    auto loaded = engine::load(options);
    REQUIRE(loaded.has_value());
    first = std::move(*loaded);
  }
  /// No rank thread may wait in a collective when it is asked to end.
  ~rank_group() {
    for (auto const& one : seats) one->abort();
  }

  void form(std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    if (seats[0]->meets_on_device()) return meet(patience);
    auto formed = shared_memory_group(static_cast<std::uint32_t>(seats.size()), patience, 1024);
    for (std::size_t rank = 0; rank < seats.size(); ++rank) seats[rank]->take(std::move(formed[rank]));
  }

  /// On their devices.
  void meet(std::chrono::milliseconds patience) {
    auto const meeting = seats[0]->make_meeting();
    REQUIRE(meeting.has_value());
    for (std::size_t rank = 1; rank < seats.size(); ++rank)
      others[rank - 1]->tell(
          [&, rank](shard_engine&) { return seats[rank]->meet(meeting->reveal(), patience, {}); });
    CHECK(seats[0]->meet(meeting->reveal(), patience, {}).has_value());
    for (auto const& one : others) CHECK(one->settle().has_value());
  }

  std::vector<std::shared_ptr<seat>> seats;
  std::vector<std::unique_ptr<rank_thread>> others;
  std::unique_ptr<engine> first;
};

} // namespace mayfly::gpu::testing
