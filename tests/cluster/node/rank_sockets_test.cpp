#include "cluster/node/rank_sockets.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::node;
using namespace std::chrono_literals;

namespace {

bool is_free(unsigned port) {
  owned_descriptor const probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  return bind(probe.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0;
}

/// A port for supervisors: those of two hosts' ranks, one and three after it, are free. Tests run beside each
/// other, a process each: the search begins elsewhere in every process.
std::uint16_t free_port() {
  constexpr unsigned first = 20'000, slots = 1'500, width = 8; // below the ports that the system gives out
  for (unsigned tried = 0; tried < slots; ++tried) {
    auto const slot = (static_cast<unsigned>(getpid()) + tried * 97) % slots;
    auto const port = first + slot * width;
    if (is_free(port + 1) && is_free(port + 3)) return static_cast<std::uint16_t>(port);
  }
  return 0;
}

rank_host host_at(std::uint16_t port, std::uint32_t ranks) {
  return {*name::parse("tcp://127.0.0.1:" + std::to_string(port)), {}, ranks};
}

ephemeral_bytes key_of(unsigned char byte) {
  std::vector<std::byte> const bytes(32, std::byte{byte});
  return ephemeral_bytes(std::span<std::byte const>(bytes));
}

rank_wiring_order order_of(std::uint64_t epoch, unsigned char key = 1) {
  return {*name::parse("model"), epoch, key_of(key)};
}

using seats = std::vector<std::vector<owned_descriptor>>;

struct two_hosts {
  explicit two_hosts(std::uint32_t first_ranks, std::uint32_t second_ranks) {
    auto const port = free_port();
    auto const other = static_cast<std::uint16_t>(port + 2);
    layout = rank_layout({host_at(port, first_ranks), host_at(other, second_ranks)});
    for (std::size_t host = 0; host < 2; ++host) {
      auto made = rank_sockets::listen(layout, host);
      REQUIRE(made.has_value());
      sockets.push_back(std::move(*made));
    }
  }

  /// Both at once.
  std::vector<result<seats>> connect(rank_wiring_order const& first, rank_wiring_order const& second,
                                     std::chrono::milliseconds patience = 10s) {
    std::vector<result<seats>> both;
    both.emplace_back(seats());
    both.emplace_back(seats());
    std::thread other([&] { both[1] = sockets[1].connect(second, boot_clock::now() + patience); });
    both[0] = sockets[0].connect(first, boot_clock::now() + patience);
    other.join();
    return both;
  }

  rank_layout layout;
  std::vector<rank_sockets> sockets;
};

/// Whether the two descriptors are ends of one connection.
bool joined(owned_descriptor const& one, owned_descriptor const& other) {
  char const said = 'x';
  char heard = 0;
  if (send(one.get(), &said, 1, MSG_NOSIGNAL) != 1) return false;
  for (int round = 0; round < 1000 && recv(other.get(), &heard, 1, MSG_DONTWAIT) != 1; ++round)
    std::this_thread::sleep_for(1ms);
  return heard == said;
}

} // namespace

TEST_CASE("the ranks of a layout are numbered host by host") {
  rank_layout const layout({host_at(1, 2), host_at(3, 1), host_at(5, 3)});
  CHECK(layout.ranks() == 6);
  CHECK(layout.first_rank(0) == 0);
  CHECK(layout.first_rank(1) == 2);
  CHECK(layout.first_rank(2) == 3);
  std::vector<std::size_t> hosts;
  for (std::uint32_t rank = 0; rank < 6; ++rank) hosts.push_back(layout.host_of(rank));
  CHECK(hosts == std::vector<std::size_t>{0, 0, 1, 2, 2, 2});
  CHECK_FALSE(rank_layout().spans_hosts());
}

TEST_CASE("each rank gets its channels of plans, then one of sums with every other rank") {
  two_hosts hosts(2, 1);
  auto const both = hosts.connect(order_of(1), order_of(1));
  REQUIRE(both[0].has_value());
  REQUIRE(both[1].has_value());
  auto const& first = (*both[0])[0];
  auto const& second = (*both[0])[1];
  auto const& third = (*both[1])[0];
  REQUIRE(first.size() == 4);  // plans to 1, 2; sums with 1, 2
  REQUIRE(second.size() == 3); // plans with 0; sums with 0, 2
  REQUIRE(third.size() == 3);
  CHECK(joined(first[0], second[0]));
  CHECK(joined(first[1], third[0]));
  CHECK(joined(first[2], second[1]));
  CHECK(joined(first[3], third[1]));
  CHECK(joined(second[2], third[2]));
}

TEST_CASE("hosts whose keys or epochs differ do not meet") {
  two_hosts hosts(1, 1);
  SECTION("the key") {
    auto const both = hosts.connect(order_of(1, 1), order_of(1, 2), 300ms);
    REQUIRE_FALSE(both[0].has_value());
    CHECK(both[0].failure().code == errc::deadline_exceeded);
  }
  SECTION("the epoch") { CHECK_FALSE(hosts.connect(order_of(1), order_of(2), 300ms)[0].has_value()); }
  auto const after = hosts.connect(order_of(3), order_of(3));
  CHECK(after[0].has_value());
  CHECK(after[1].has_value());
}

TEST_CASE("strangers that say nothing, or something else, keep nobody out") {
  two_hosts hosts(1, 1);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto const endpoint = hosts.layout.hosts()[0].endpoint.text();
  place.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)) + 1));
  std::vector<owned_descriptor> strangers;
  for (int index = 0; index < 60; ++index) {
    auto& one = strangers.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(one.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0);
    std::string const said(static_cast<std::size_t>(index), 'x');
    if (index % 3 != 0) CHECK(send(one.get(), said.data(), said.size(), MSG_NOSIGNAL) >= 0);
  }
  auto const both = hosts.connect(order_of(1), order_of(1));
  REQUIRE(both[0].has_value());
  REQUIRE(both[1].has_value());
  CHECK(joined((*both[0])[0][0], (*both[1])[0][0]));
}

TEST_CASE("a host that nobody answers gives up at the deadline") {
  two_hosts hosts(1, 1);
  auto const alone = hosts.sockets[0].connect(order_of(1), boot_clock::now() + 100ms);
  REQUIRE_FALSE(alone.has_value());
  CHECK(alone.failure().code == errc::deadline_exceeded);
}

TEST_CASE("an endpoint that is no place to listen is refused") {
  auto const endpoint =
      GENERATE(as<std::string>(), "tcp://127.0.0.1", "127.0.0.1:80", "tcp://127.0.0.1:65535",
               "tcp://127.0.0.1:0", "tcp://127.0.0.1:12x", "tcp://:7500");
  CAPTURE(endpoint);
  rank_layout const layout({{*name::parse(endpoint), {}, 1}, host_at(9, 1)});
  auto const made = rank_sockets::listen(layout, 0);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.failure().code == errc::configuration);
}
