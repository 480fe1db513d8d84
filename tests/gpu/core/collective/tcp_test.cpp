#include "contract.hpp"
#include "plain_channel.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

using steady = std::chrono::steady_clock;

std::unique_ptr<collective> one_of_two(std::uint32_t rank, int socket, std::chrono::milliseconds patience) {
  tcp::channels peers(2);
  peers[1 - rank] = std::make_unique<plain_channel>(socket);
  tcp_options options;
  options.rank = rank;
  options.patience = patience;
  auto made = make_tcp_collective(std::move(peers), options);
  REQUIRE(made.has_value());
  return std::move(*made);
}

void add_once(collective& own, std::size_t count) {
  std::vector<float> data(count, 42.0F);
  own.all_reduce(data.data(), data.size());
}

/// A process that adds for ever as rank 1, and rank 0 here.
struct distant_rank {
  distant_rank(ends sockets, std::chrono::milliseconds patience) {
    process = fork();
    if (process == 0) {
      close(sockets.first);
      auto const far = one_of_two(1, sockets.second, std::chrono::minutes(1));
      while (far->poll() == collective_state::ok) add_once(*far, 100'000);
      _exit(0);
    }
    REQUIRE(process > 0);
    close(sockets.second);
    own = one_of_two(0, sockets.first, patience);
  }
  distant_rank(distant_rank const&) = delete;
  distant_rank& operator=(distant_rank const&) = delete;
  ~distant_rank() {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  pid_t process;
  std::unique_ptr<collective> own;
};

steady::duration until_failed(collective& own) {
  auto const began = steady::now();
  while (own.poll() == collective_state::ok) add_once(own, 100'000);
  return steady::now() - began;
}

} // namespace

TEST_CASE("a rank whose process is killed within an operation is seen at once, every time") {
  for (int round = 0; round < 12; ++round) {
    distant_rank far(round % 2 == 0 ? unix_ends() : tcp_ends(), std::chrono::minutes(1));
    for (int warm = 0; warm < 5; ++warm) add_once(*far.own, 100'000);
    REQUIRE(far.own->poll() == collective_state::ok);
    std::jthread const killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(370 * round));
      kill(far.process, SIGKILL);
    });
    CHECK(until_failed(*far.own) < std::chrono::seconds(10)); // the patience is a minute
    CHECK(names(*far.own, 1));
  }
}

TEST_CASE("a rank whose process is stopped is found out by the deadline, every time") {
  for (int round = 0; round < 4; ++round) {
    distant_rank far(round % 2 == 0 ? unix_ends() : tcp_ends(), std::chrono::milliseconds(1000));
    for (int warm = 0; warm < 5; ++warm) add_once(*far.own, 100'000);
    REQUIRE(far.own->poll() == collective_state::ok);
    kill(far.process, SIGSTOP);
    CHECK(until_failed(*far.own) < std::chrono::seconds(10));
    CHECK(names(*far.own, 1));
  }
}

TEST_CASE("ranks that all send more than their sockets hold do not wait for each other") {
  auto const ranks = GENERATE(2U, 3U);
  auto const formed = tcp_group(ranks, patient, [](auto, auto) {
    auto const made = unix_ends();
    int const small = 4096;
    for (int const end : {made.first, made.second})
      setsockopt(end, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return std::make_pair(std::make_unique<plain_channel>(made.first),
                          std::make_unique<plain_channel>(made.second));
  });
  constexpr std::size_t count = 1'000'003;
  auto const expected = sum_of_shares(ranks, count, 1);
  CHECK(on_all(formed, [&](collective& own) {
    auto data = share_of(own.rank(), count, 1);
    own.all_reduce(data.data(), count);
    return data == expected;
  }));
}

TEST_CASE("ranks that run different operations fail rather than mix their numbers") {
  auto const sockets = unix_ends();
  auto const one = one_of_two(0, sockets.first, patient);
  auto const other = one_of_two(1, sockets.second, patient);
  std::vector<float> whole(100, 1.0F);
  std::vector<float> less(60, 1.0F);
  {
    std::jthread const beside([&] { other->all_reduce(less.data(), less.size()); });
    one->all_reduce(whole.data(), whole.size());
  }
  CHECK(one->poll() == collective_state::failed);
  CHECK(other->poll() == collective_state::failed);
}

TEST_CASE("scrubbing leaves nothing of what came from other ranks") {
  auto const sockets = unix_ends();
  auto near_end = std::make_unique<plain_channel>(sockets.first);
  auto const& watched = *near_end;
  tcp::channels peers(2);
  peers[1] = std::move(near_end);
  auto const one = std::move(*make_tcp_collective(std::move(peers), {}));
  auto const other = one_of_two(1, sockets.second, patient);
  {
    std::jthread const beside([&] { add_once(*other, 100); });
    add_once(*one, 100);
  }
  auto const is_zero = [](std::byte each) { return each == std::byte{0}; };
  CHECK_FALSE(std::ranges::all_of(watched.kept(), is_zero));
  one->scrub();
  CHECK(std::ranges::all_of(watched.kept(), is_zero));
}

TEST_CASE("what is no group of channels is refused") {
  auto const refusal = [](tcp::channels peers, std::uint32_t rank) {
    tcp_options options;
    options.rank = rank;
    auto const made = make_tcp_collective(std::move(peers), options);
    return made ? errc::ok : made.failure().code;
  };
  CHECK(refusal({}, 0) == errc::invalid_request);
  CHECK(refusal(tcp::channels(2), 0) == errc::invalid_request); // no channel to rank 1
  CHECK(refusal(tcp::channels(1), 1) == errc::invalid_request);
  tcp::channels to_itself(1);
  to_itself[0] = std::make_unique<plain_channel>(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK(refusal(std::move(to_itself), 0) == errc::invalid_request);
  CHECK(refusal(tcp::channels(1), 0) == errc::ok);
}
