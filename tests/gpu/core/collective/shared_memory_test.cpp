#include "groups.hpp"

#include <algorithm>
#include <csignal>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

std::size_t nonzero(shared_memory::segment const& memory, std::uint32_t ranks) {
  std::size_t count = 0;
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    for (std::uint32_t parity = 0; parity < 2; ++parity)
      count += static_cast<std::size_t>(
          std::ranges::count_if(memory.slot(rank, parity), [](float each) { return each != 0; }));
  return count;
}

group of(shared_memory::segment const& memory, std::uint32_t ranks) {
  group made;
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    made.push_back(std::move(*make_shared_memory_collective(
        std::move(*shared_memory::segment::map(memory.descriptor())), {rank, std::chrono::seconds(20), {}})));
  return made;
}

void add_once(collective& own) {
  std::vector<float> data(100, 42.0F);
  own.all_reduce(data.data(), data.size());
}

} // namespace

TEST_CASE("scrubbing, or the end of the ranks, leaves nothing in shared memory") {
  auto const memory = shared_memory::segment::create(2, 64);
  REQUIRE(memory.has_value());
  auto ranks = of(*memory, 2);
  on_each(ranks, add_once);
  CHECK(nonzero(*memory, 2) == 2 * 100);
  SECTION("scrubbed") {
    on_each(ranks, [](collective& own) { own.scrub(); });
    CHECK(nonzero(*memory, 2) == 0);
    on_each(ranks, [](collective& own) {
      float number = 1;
      own.all_reduce(&number, 1);
      own.scrub();
    });
    CHECK(nonzero(*memory, 2) == 0);
  }
  SECTION("ended") {
    ranks.clear();
    CHECK(nonzero(*memory, 2) == 0);
  }
  SECTION("wiped by the owner, after a rank that could not") {
    memory->wipe_slots();
    CHECK(nonzero(*memory, 2) == 0);
  }
}

TEST_CASE("scrubbing leaves nothing of sums that ranks divide") {
  auto const memory = shared_memory::segment::create(2, 40'000);
  REQUIRE(memory.has_value());
  auto const ranks = of(*memory, 2);
  on_each(ranks, [](collective& own) {
    std::vector<float> data(33'333, 42.0F);
    own.all_reduce(data.data(), data.size());
  });
  CHECK(nonzero(*memory, 2) > 33'333);
  on_each(ranks, [](collective& own) { own.scrub(); });
  CHECK(nonzero(*memory, 2) == 0);
}

TEST_CASE("a rank whose process is killed is seen at once") {
  auto const memory = shared_memory::segment::create(2, 64);
  REQUIRE(memory.has_value());
  pid_t const child = fork();
  if (child == 0) {
    auto mapped = shared_memory::segment::map(memory->descriptor());
    if (!mapped) _exit(1);
    auto const own = make_shared_memory_collective(std::move(*mapped), {1, std::chrono::seconds(60), {}});
    for (;;) add_once(**own);
  }
  REQUIRE(child > 0);
  int const process = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  REQUIRE(process >= 0);
  auto own = make_shared_memory_collective(std::move(*shared_memory::segment::map(memory->descriptor())),
                                           {0, std::chrono::seconds(60), {-1, process}});
  REQUIRE(own.has_value());
  for (int round = 0; round < 100; ++round) add_once(**own);
  CHECK((*own)->poll() == collective_state::ok);
  kill(child, SIGKILL);
  while ((*own)->poll() == collective_state::ok) add_once(**own); // ends long before the patience of a minute
  CHECK((*own)->failure().failure().number == 1);
  waitpid(child, nullptr, 0);
  CHECK(nonzero(*memory, 2) > 0);
  own->reset();
  CHECK(nonzero(*memory, 2) == 0); // what it left, too
}

TEST_CASE("what is no segment is refused") {
  CHECK_FALSE(shared_memory::segment::create(0, 64));
  CHECK_FALSE(shared_memory::segment::create(17, 64));
  CHECK_FALSE(shared_memory::segment::create(2, 0));
  CHECK(shared_memory::segment::map(-1).failure().code == errc::malformed);
  int ends[2] = {};
  REQUIRE(pipe(ends) == 0);
  CHECK(shared_memory::segment::map(ends[0]).failure().code == errc::malformed);
  close(ends[0]);
  close(ends[1]);
  auto memory = shared_memory::segment::create(2, 64);
  REQUIRE(memory.has_value());
  memory->control().ranks = 3;
  CHECK(shared_memory::segment::map(memory->descriptor()).failure().code == errc::malformed);
  memory->control().ranks = 2;
  CHECK(make_shared_memory_collective(std::move(*memory), {2, std::chrono::seconds(1), {}}).failure().code ==
        errc::invalid_request);
}
