// The engine's collective over the cluster's sealed channels: the carrier's contract, and what an enemy or a
// bad network may do to it.
#include "tapped_channels.hpp"

#include "tests/gpu/core/collective/contract.hpp"

#include <fcntl.h>
#include <poll.h>
#include <random>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

std::pair<test::channel, test::channel> sealed(test::ends sockets, std::uint32_t one, std::uint32_t other) {
  auto made = test::open_both(sockets, test::terms_of(one, other), test::terms_of(other, one));
  REQUIRE(made.one);
  REQUIRE(made.other);
  return {std::move(*made.one), std::move(*made.other)};
}

/// Carries bytes between two sockets as a bad network would: in pieces of any size, late; or worse.
class bad_network {
public:
  enum class habit : std::uint8_t { slow, cuts, garbles, inserts, swaps };

  bad_network(int left, int right, habit how, std::size_t harm_after)
      : how_(how), harm_after_(harm_after), there_([this, left, right] { carry(left, right, true); }),
        back_([this, left, right] { carry(right, left, false); }) {}

private:
  void carry(int from, int to, bool harmful) {
    std::mt19937 dice(42);
    std::vector<std::byte> piece(9000);
    std::size_t passed = 0;
    for (;;) {
      auto const got = recv(from, piece.data(), 1 + dice() % piece.size(), 0);
      if (got <= 0) break;
      std::span<std::byte> const part(piece.data(), static_cast<std::size_t>(got));
      bool const harms = harmful && passed <= harm_after_ && harm_after_ < passed + part.size();
      passed += part.size();
      if (how_ == habit::slow) std::this_thread::sleep_for(std::chrono::microseconds(dice() % 300));
      if (harms && how_ == habit::cuts) break;
      if (harms) spoil(part, to);
      if (send(to, part.data(), part.size(), MSG_NOSIGNAL) < 0) break;
    }
    shutdown(from, SHUT_RDWR);
    shutdown(to, SHUT_RDWR);
  }

  void spoil(std::span<std::byte> part, int to) const {
    if (how_ == habit::garbles) part[part.size() / 2] ^= std::byte{4};
    if (how_ == habit::swaps) std::ranges::reverse(part);
    if (how_ == habit::inserts) send(to, part.data(), part.size(), MSG_NOSIGNAL);
  }

  habit how_;
  std::size_t harm_after_;
  std::jthread there_, back_;
};

struct networked_group {
  explicit networked_group(bad_network::habit how, std::chrono::milliseconds patience, std::size_t harm_after)
      : left(test::unix_ends()), right(test::tcp_ends()), network(left.other, right.one, how, harm_after),
        ranks(tcp_group(2, patience, [this](auto one, auto other) {
          return sealed({left.one, right.other}, one, other);
        })) {}
  networked_group(networked_group const&) = delete;
  networked_group& operator=(networked_group const&) = delete;
  ~networked_group() {
    shutdown(left.other, SHUT_RDWR);
    shutdown(right.one, SHUT_RDWR);
  }
  test::ends left, right;
  bad_network network;
  group ranks;
};

bool sum_is_right(group const& ranks, std::size_t count) {
  auto const expected = sum_of_shares(2, count, 3);
  return on_all(ranks, [&](collective& own) {
    auto data = share_of(own.rank(), count, 3);
    own.all_reduce(data.data(), count);
    return data == expected;
  });
}

} // namespace

TEST_CASE("the collective over sealed channels keeps its contract, over Unix sockets and TCP") {
  auto const connect = GENERATE(&test::unix_ends, &test::tcp_ends);
  carrier const by{"sealed", [connect](auto ranks, auto patience) {
                     return tcp_group(ranks, patience, [connect](auto one, auto other) {
                       return sealed(connect(), one, other);
                     });
                   }};
  CHECK(keeps_contract(by));
  CHECK(sums_in_order(by, 2));
  CHECK(sums_in_order(by, 5));
}

TEST_CASE("a slow network that cuts messages into pieces changes no sum") {
  networked_group const over(bad_network::habit::slow, patient, 0);
  for (std::size_t const count : {1U, 2048U, 100'000U}) CHECK(sum_is_right(over.ranks, count));
}

TEST_CASE("a connection cut or tampered with in mid-operation fails both ranks, and no wrong sum is shown") {
  auto const how = GENERATE(bad_network::habit::cuts, bad_network::habit::garbles,
                            bad_network::habit::inserts, bad_network::habit::swaps);
  auto const harm_after = GENERATE(std::size_t{100}, std::size_t{70'000}, std::size_t{300'000});
  networked_group const over(how, patient, harm_after);
  auto const began = std::chrono::steady_clock::now();
  auto const expected = sum_of_shares(2, 100'000, 3);
  std::atomic<int> failed{0};
  std::atomic<int> wrong{0};
  on_each(over.ranks, [&](collective& own) {
    for (int round = 0; round < 50 && own.poll() == collective_state::ok; ++round) {
      auto data = share_of(own.rank(), 100'000, 3);
      own.all_reduce(data.data(), data.size());
      if (own.poll() == collective_state::ok && data != expected) ++wrong;
    }
    if (names(own, 1 - own.rank())) ++failed;
  });
  CHECK(failed == 2);
  CHECK(wrong == 0);
  CHECK(std::chrono::steady_clock::now() - began < patient / 2);
}
