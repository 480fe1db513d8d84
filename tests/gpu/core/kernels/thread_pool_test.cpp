#include "gpu/kernels/cpu/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>
#include <vector>

namespace mayfly::gpu::cpu {

TEST_CASE("a pool covers every unit exactly once, for any sizes") {
  for (unsigned const threads : {1U, 2U, 3U, 8U}) {
    thread_pool pool(threads);
    for (std::size_t const units : {0U, 1U, 2U, 7U, 100U, 1001U}) {
      for (std::size_t const chunk : {1U, 3U, 50U, 5000U}) {
        std::vector<std::atomic<int>> visits(units);
        pool.run(units, chunk, [&](std::size_t, std::size_t begin, std::size_t end) {
          for (auto i = begin; i < end; ++i) ++visits[i];
        });
        INFO(threads << " threads, " << units << " units, chunks of " << chunk);
        CHECK(std::all_of(visits.begin(), visits.end(), [](auto const& each) { return each == 1; }));
      }
    }
  }
}

TEST_CASE("no two calls of a body run with the same participant at once") {
  thread_pool pool(4);
  std::vector<std::atomic<int>> inside(pool.size());
  std::atomic<bool> shared = false;
  for (int round = 0; round < 200; ++round) {
    pool.run(64, 1, [&](std::size_t participant, std::size_t, std::size_t) {
      if (++inside.at(participant) != 1) shared = true;
      --inside[participant];
    });
  }
  CHECK_FALSE(shared);
}

TEST_CASE("run_on_each reaches every thread of the pool once") {
  thread_pool pool(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread::id> ids(pool.size());
    pool.run_on_each([&](std::size_t participant) { ids[participant] = std::this_thread::get_id(); });
    CHECK(std::set(ids.begin(), ids.end()).size() == 5);
    CHECK(ids[0] == std::this_thread::get_id());
  }
}

TEST_CASE("many short regions in a row lose no unit") {
  thread_pool pool(3);
  std::atomic<std::size_t> total = 0;
  for (int round = 0; round < 20000; ++round) {
    pool.run(6, 1, [&](std::size_t, std::size_t begin, std::size_t end) { total += end - begin; });
  }
  CHECK(total == 6U * 20000U);
}

TEST_CASE("a thread that comes late to a region takes nothing of the next one twice") {
  thread_pool pool(4);
  std::vector<std::atomic<int>> visits(64);
  for (std::size_t round = 0; round < 20000; ++round) {
    auto const units = 2 + round * 7 % 60; // longer and shorter in turn
    for (auto& each : visits) each = 0;
    pool.run(units, 1, [&](std::size_t, std::size_t begin, std::size_t) { ++visits[begin]; });
    auto const once = std::count(visits.begin(), visits.end(), 1);
    if (once != static_cast<std::ptrdiff_t>(units))
      FAIL("round " << round << ": " << once << " of " << units);
  }
}

TEST_CASE("a thread that is held up delays only what it has begun") {
  thread_pool pool(2);
  std::atomic<bool> release = false;
  std::atomic<std::size_t> others = 0;
  // The first unit waits until all others are done: only a thread that takes over the rest can do them.
  pool.run(40, 1, [&](std::size_t, std::size_t begin, std::size_t) {
    if (begin == 0) {
      while (!release) std::this_thread::yield();
      return;
    }
    if (++others == 39) release = true;
  });
  CHECK(others == 39);
}

} // namespace mayfly::gpu::cpu
