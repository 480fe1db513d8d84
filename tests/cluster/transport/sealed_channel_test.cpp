#include "tapped_channels.hpp"

#include <functional>
#include <random>

using namespace mayfly;
using namespace mayfly::test;

namespace {

std::vector<std::byte> noise(std::size_t count) {
  std::mt19937 dice(static_cast<std::mt19937::result_type>(count + 1));
  std::vector<std::byte> made(count);
  for (auto& each : made) each = static_cast<std::byte>(dice() & 0xffU);
  return made;
}

errc outcome(result<std::span<std::byte const>> const& received) {
  return received ? errc::ok : received.failure().code;
}

} // namespace

TEST_CASE("messages of every size cross a sealed channel whole and in order, over Unix sockets and TCP") {
  auto const over_tcp = GENERATE(false, true);
  auto const [one, other] = connected(over_tcp ? tcp_ends() : unix_ends());
  std::size_t const sizes[] = {0, 1, 63, 4096, 65536, 262145, std::size_t{1} << 20, 5};
  std::jthread const sender([&] {
    for (auto const size : sizes) static_cast<void>(one->send(noise(size), soon()));
  });
  for (auto const size : sizes) {
    auto const got = other->receive(soon());
    REQUIRE(got);
    CHECK(std::ranges::equal(*got, noise(size)));
  }
}

TEST_CASE("a message beyond the bound is not sent, and the channel stays whole") {
  auto const [one, other] = connected(unix_ends());
  CHECK(one->send(noise((std::size_t{1} << 20) + 1), soon()).failure().code == errc::too_large);
  REQUIRE(one->send(bytes("small"), soon()));
  CHECK(text(*other->receive(soon())) == "small");
}

TEST_CASE("a key, a group, a purpose, an epoch or a rank that differs does not open a channel") {
  auto one = terms_of(0, 1);
  auto other = terms_of(1, 0);
  auto key = key_of(1);
  SECTION("key") { key = key_of(2); }
  SECTION("group") { one.group = "groupc"; }
  SECTION("purpose") { one.purpose = "plan"; }
  SECTION("where names end") { one.group = "groupcoll", one.purpose = "ective"; }
  SECTION("epoch") { one.epoch = 8; }
  SECTION("own rank") { one.own_rank = 2; }
  SECTION("peer's rank") { one.peer_rank = 2; }
  SECTION("both the same way") { std::swap(one.own_rank, one.peer_rank); }
  auto const made = open_both(unix_ends(), one, other, key);
  REQUIRE_FALSE(made.one);
  REQUIRE_FALSE(made.other);
  // Who finds out second may see the first hang up.
  CHECK((made.one.failure().code == errc::untrusted || made.other.failure().code == errc::untrusted));
}

TEST_CASE("no channel is opened with what cannot be one") {
  auto const sockets = unix_ends();
  CHECK(open_sealed_channel(sockets.one, terms_of(3, 3), key_of(1), soon()).failure().code ==
        errc::invalid_request);
  CHECK(
      open_sealed_channel(sockets.other, terms_of(0, 1), std::vector<std::byte>(31), soon()).failure().code ==
      errc::invalid_request);
  CHECK(open_sealed_channel(-1, terms_of(0, 1), key_of(1), soon()).failure().code == errc::io);
}

TEST_CASE("a peer that is silent, gone or something else at the greeting fails the opening") {
  auto const sockets = unix_ends();
  auto const opening = [&](deadline until) {
    return open_sealed_channel(sockets.one, terms_of(0, 1), key_of(1), until).failure().code;
  };
  SECTION("silent") { CHECK(opening(in(std::chrono::milliseconds(50))) == errc::deadline_exceeded); }
  SECTION("gone") {
    shutdown(sockets.other, SHUT_RDWR);
    CHECK(opening(soon()) == errc::worker_lost);
  }
  SECTION("another protocol") {
    auto const other = noise(40);
    REQUIRE(write(sockets.other, other.data(), other.size()) == 40);
    CHECK(opening(soon()) == errc::version_mismatch);
  }
  SECTION("a mirror") {
    std::jthread const mirror([&] {
      frame part(1);
      while (recv(sockets.other, part.data(), 1, 0) == 1 &&
             send(sockets.other, part.data(), 1, MSG_NOSIGNAL) == 1) {
      }
    });
    CHECK(opening(soon()) == errc::untrusted);
  }
  close(sockets.other);
}

TEST_CASE("a frame that is changed, repeated, left out, out of order or cut off fails the channel for good") {
  tapped_channels pair;
  auto const first = pair.caught("the first message");
  auto const second = pair.caught("the second message");
  errc expected = errc::untrusted;
  SECTION("changed in its text") {
    auto changed = first;
    changed[9] ^= std::byte{0x20};
    pair.deliver(changed);
  }
  SECTION("changed in its seal") {
    auto changed = first;
    changed.back() ^= std::byte{1};
    pair.deliver(changed);
  }
  SECTION("changed in its length") {
    auto changed = first;
    changed[0] ^= std::byte{1};
    pair.deliver(changed);
    pair.deliver(second);
  }
  SECTION("repeated") {
    pair.deliver(first);
    REQUIRE(text(*pair.receiver->receive(soon())) == "the first message");
    pair.deliver(first);
  }
  SECTION("left out, or out of order") { pair.deliver(second); }
  SECTION("announced beyond the bound: before any memory is taken") {
    pair.deliver(frame(4, std::byte{0xff}));
    expected = errc::too_large;
  }
  SECTION("announced shorter than a seal") {
    pair.deliver(frame(4, std::byte{0}));
    expected = errc::too_large;
  }
  SECTION("cut off") {
    pair.deliver(std::span(first).first(first.size() - 1));
    pair.hang_up();
    expected = errc::truncated;
  }
  SECTION("cut off between messages") {
    pair.hang_up();
    expected = errc::worker_lost;
  }
  CHECK(outcome(pair.receiver->receive(soon())) == expected);
  CHECK(outcome(pair.receiver->receive(soon())) == expected);
  CHECK(pair.receiver->send(bytes("more"), soon()).failure().code == expected);
}

TEST_CASE("frames that come in pieces, or many at once, are the same messages") {
  tapped_channels pair;
  auto stream = pair.caught("one");
  for (auto const* const more : {"two", "", "four"}) {
    auto const next = pair.caught(more);
    stream.insert(stream.end(), next.begin(), next.end());
  }
  if (GENERATE(true, false)) {
    pair.deliver(stream);
    for (auto const* const expected : {"one", "two", "", "four"})
      CHECK(text(*pair.receiver->receive(soon())) == expected);
  } else {
    std::jthread const drip([&] {
      for (auto const each : stream) pair.deliver({&each, 1});
    });
    for (auto const* const expected : {"one", "two", "", "four"})
      CHECK(text(*pair.receiver->receive(soon())) == expected);
  }
}

TEST_CASE("what crosses shows nothing of the message, not even that it is the same again") {
  tapped_channels pair;
  std::string_view const canary = "canary-6a1f-canary-6a1f";
  auto const one = pair.caught(canary);
  auto const again = pair.caught(canary);
  CHECK(std::ranges::search(one, bytes(canary).first(6)).empty());
  CHECK_FALSE(std::equal(one.begin() + 4, one.end(), again.begin() + 4));
}

TEST_CASE("a recording of another connection with the same key and terms does not open") {
  tapped_channels recorded;
  tapped_channels live;
  live.deliver(recorded.caught("again"));
  CHECK(outcome(live.receiver->receive(soon())) == errc::untrusted);
}

TEST_CASE("a received message is wiped by scrubbing, and by the next") {
  auto const [one, other] = connected(unix_ends());
  REQUIRE(one->send(bytes("canary"), soon()));
  auto const got = *other->receive(soon());
  REQUIRE(text(got) == "canary");
  SECTION("scrubbed") { other->scrub(); }
  SECTION("the next") {
    CHECK(outcome(other->receive(in(std::chrono::milliseconds(20)))) == errc::deadline_exceeded);
  }
  CHECK(std::ranges::all_of(got, [](std::byte each) { return each == std::byte{0}; }));
}

TEST_CASE("a deadline that passes loses nothing") {
  tapped_channels pair;
  auto const whole = pair.caught("late");
  pair.deliver(std::span(whole).first(7));
  CHECK(outcome(pair.receiver->receive(in(std::chrono::milliseconds(20)))) == errc::deadline_exceeded);
  pair.deliver(std::span(whole).subspan(7));
  CHECK(text(*pair.receiver->receive(soon())) == "late");
}

TEST_CASE("a sender whose peer does not read waits until its deadline, not longer") {
  auto const [one, other] = connected(unix_ends());
  auto const large = noise(std::size_t{1} << 20);
  errc last = errc::ok;
  for (int round = 0; round < 3 && last == errc::ok; ++round)
    last = one->send(large, in(std::chrono::milliseconds(50))).failure().code;
  CHECK(last == errc::deadline_exceeded);
  CHECK(*one->offer(bytes("more")) == false);
  auto const got =
      other->receive(in(std::chrono::milliseconds(100))); // starts, cannot end: the rest is not sent
  CHECK(outcome(got) == errc::deadline_exceeded);
  std::jthread const on([&] { static_cast<void>(one->send({}, soon())); });
  CHECK(std::ranges::equal(*other->receive(soon()), large));
}

TEST_CASE("aborting wakes who waits at either end") {
  auto const [one, other] = connected(GENERATE(false, true) ? tcp_ends() : unix_ends());
  errc here = errc::ok;
  errc there = errc::ok;
  {
    std::jthread const near([&] { here = outcome(one->receive(soon())); });
    std::jthread const far([&] { there = outcome(other->receive(soon())); });
    one->abort();
    one->abort();
  }
  CHECK(here == errc::cancelled);
  CHECK(there == errc::worker_lost);
}
