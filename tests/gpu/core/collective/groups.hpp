#pragma once
// Groups of ranks as threads of one process, a way to form them for each carrier.
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"
#include "gpu/collective/tcp/tcp_collective.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <functional>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace mayfly::gpu::testing {

using group = std::vector<std::unique_ptr<collective>>;

/// Long enough that no test ends by it.
inline constexpr std::chrono::milliseconds patient{20'000};

enum class knowledge : std::uint8_t { which_rank, that_one }; ///< of what was lost

struct carrier {
  char const* name;
  std::function<group(std::uint32_t ranks, std::chrono::milliseconds patience)> form;
  knowledge known = knowledge::which_rank;
};

inline group shared_memory_group(std::uint32_t ranks, std::chrono::milliseconds patience = patient,
                                 std::size_t slot_floats = 64) {
  group made;
  auto const first = shared_memory::segment::create(ranks, slot_floats);
  REQUIRE(first.has_value());
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    auto mapped = shared_memory::segment::map(first->descriptor());
    REQUIRE(mapped.has_value());
    auto one = make_shared_memory_collective(std::move(*mapped), {rank, patience, {}});
    REQUIRE(one.has_value());
    made.push_back(std::move(*one));
  }
  return made;
}

/// Two connected sockets.
using ends = std::pair<int, int>;

inline ends unix_ends() {
  int made[2] = {};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) == 0);
  return {made[0], made[1]};
}

inline ends tcp_ends() {
  int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(bind(listener, raw, size) == 0);
  REQUIRE(listen(listener, 1) == 0);
  REQUIRE(getsockname(listener, raw, &size) == 0);
  ends made{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1};
  REQUIRE(connect(made.first, raw, size) == 0);
  made.second = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE(made.second >= 0);
  close(listener);
  int const one = 1;
  for (int const end : {made.first, made.second}) setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return made;
}

/// Makes the two channels of a pair of ranks.
using wiring = std::function<std::pair<std::unique_ptr<secure_channel>, std::unique_ptr<secure_channel>>(
    std::uint32_t one, std::uint32_t other)>;

inline std::vector<tcp::channels> wired(std::uint32_t ranks, wiring const& wire) {
  std::vector<tcp::channels> made(ranks);
  for (auto& of_rank : made) of_rank.resize(ranks);
  for (std::uint32_t one = 0; one < ranks; ++one)
    for (std::uint32_t other = one + 1; other < ranks; ++other)
      std::tie(made[one][other], made[other][one]) = wire(one, other);
  return made;
}

inline group tcp_group(std::uint32_t ranks, std::chrono::milliseconds patience, wiring const& wire) {
  group made;
  auto channels = wired(ranks, wire);
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    tcp_options options;
    options.rank = rank;
    options.patience = patience;
    auto one = make_tcp_collective(std::move(channels[rank]), options);
    REQUIRE(one.has_value());
    made.push_back(std::move(*one));
  }
  return made;
}

/// Runs `work` on every rank at once.
inline void on_each(group const& ranks, std::function<void(collective&)> const& work) {
  std::vector<std::jthread> threads;
  for (auto const& rank : ranks) threads.emplace_back([&] { work(*rank); });
}

} // namespace mayfly::gpu::testing
