#include "groups.hpp"

#include <cmath>
#include <mutex>
#include <random>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

/// What a rank brings: some numbers whose sum depends on the order of adding.
std::vector<float> share_of(std::uint32_t rank, std::size_t count, std::uint32_t round) {
  std::mt19937 dice(rank * 7919 + round);
  std::uniform_real_distribution<float> any(-1.0F, 1.0F);
  std::vector<float> made(count);
  for (auto& each : made) each = std::ldexp(any(dice), static_cast<int>(dice() % 20));
  return made;
}

std::vector<float> sum_in_order(std::uint32_t ranks, std::size_t count, std::uint32_t round) {
  auto sum = share_of(0, count, round);
  for (std::uint32_t rank = 1; rank < ranks; ++rank) {
    auto const more = share_of(rank, count, round);
    for (std::size_t index = 0; index < count; ++index) sum[index] += more[index];
  }
  return sum;
}

} // namespace

TEST_CASE("all ranks get the sum in the order of ranks, bit for bit") {
  auto const ranks = GENERATE(1U, 2U, 3U, 5U);
  auto const group = shared_memory_group(ranks);
  for (std::uint32_t round = 0; round < 50; ++round) {
    std::size_t const count = 1 + round * 17; // up to many slots
    auto const expected = sum_in_order(ranks, count, round);
    std::mutex mutex;
    std::size_t right = 0;
    on_each(group, [&](collective& own) {
      auto data = share_of(own.rank(), count, round);
      own.all_reduce(data.data(), count);
      std::lock_guard const lock(mutex);
      right += data == expected && own.poll() == collective_state::ok ? 1U : 0U;
    });
    REQUIRE(right == ranks);
  }
}

TEST_CASE("columns are gathered side by side at rank 0, however wide each rank's are") {
  auto const widths =
      GENERATE(values<std::vector<std::size_t>>({{3}, {4, 4}, {5, 0, 2}, {200, 1}, {64, 65, 63}}));
  auto const rows = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{100});
  auto const group = shared_memory_group(static_cast<std::uint32_t>(widths.size()));
  std::size_t whole = 0;
  for (auto const width : widths) whole += width;
  std::mutex mutex;
  std::size_t right = 0;
  on_each(group, [&](collective& own) {
    std::size_t left = 0;
    for (std::uint32_t rank = 0; rank < own.rank(); ++rank) left += widths[rank];
    auto const width = widths[own.rank()];
    std::vector<float> mine(rows * width);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t column = 0; column < width; ++column)
        mine[row * width + column] = static_cast<float>(row * whole + left + column);
    std::vector<float> out(own.rank() == 0 ? rows * whole : 0);
    own.gather_columns(mine.data(), rows, widths, own.rank() == 0 ? out.data() : nullptr);
    bool good = own.poll() == collective_state::ok;
    for (std::size_t index = 0; index < out.size(); ++index)
      good = good && out[index] == static_cast<float>(index);
    std::lock_guard const lock(mutex);
    right += good ? 1U : 0U;
  });
  CHECK(right == widths.size());
}

TEST_CASE("an aborted group fails everywhere and stays failed") {
  auto const group = shared_memory_group(3);
  std::jthread const breaker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    group[2]->abort();
  });
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    float number = 1;
    group[rank]->all_reduce(&number, 1); // rank 2 never comes
    CHECK(group[rank]->poll() == collective_state::failed);
    CHECK(group[rank]->failure().failure().code == errc::worker_lost);
    CHECK(group[rank]->failure().failure().number == 2);
    group[rank]->all_reduce(&number, 1);
  }
  group[0]->abort();
  CHECK(group[1]->failure().failure().number == 2);
}

TEST_CASE("a rank that does not come is found out by the deadline") {
  auto const group = shared_memory_group(2, 64, std::chrono::milliseconds(100));
  float number = 1;
  group[0]->all_reduce(&number, 1);
  REQUIRE(group[0]->poll() == collective_state::failed);
  CHECK(group[0]->failure().failure().number == 1);
}
