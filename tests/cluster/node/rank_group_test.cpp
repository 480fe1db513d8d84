#include "cluster/node/rank_group.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::node;
using namespace std::chrono_literals;

namespace {

deadline const start{1000s};

rank_group formed_group() {
  rank_group group(3);
  for (std::uint32_t rank = 0; rank < 3; ++rank) group.wants(rank, start);
  CHECK(group.next(start) == 1);
  return group;
}

} // namespace

TEST_CASE("a group is formed once every rank wants it, each time with the next epoch") {
  rank_group group(2);
  group.wants(0, start);
  CHECK_FALSE(group.next(start));
  group.wants(1, start);
  CHECK(group.next(start) == 1);
  CHECK(group.formed());
  CHECK_FALSE(group.next(start));
  for (std::uint32_t rank = 0; rank < 2; ++rank) group.wants(rank, start + 60s);
  CHECK_FALSE(group.formed());
  CHECK(group.next(start + 60s) == 2);
}

TEST_CASE("a rank whose process ended must want anew before there is a group") {
  auto group = formed_group();
  for (std::uint32_t rank = 0; rank < 3; ++rank) group.wants(rank, start + 60s);
  group.ended(1, start + 60s);
  CHECK_FALSE(group.next(start + 61s));
  group.wants(1, start + 62s);
  CHECK(group.next(start + 62s) == 2);
}

TEST_CASE("an ended rank ends the group though the others have not noticed") {
  auto group = formed_group();
  group.ended(2, start + 60s);
  CHECK_FALSE(group.formed());
  group.wants(2, start + 60s);
  CHECK_FALSE(group.next(start + 60s)); // 0 and 1 must leave the old one first
}

TEST_CASE("groups that end at once are formed with longer and longer pauses, up to ten seconds") {
  auto group = formed_group();
  auto now = start;
  auto pause = 0ms;
  for (int round = 0; round < 12; ++round) {
    for (std::uint32_t rank = 0; rank < 3; ++rank) group.wants(rank, now);
    auto waited = 0ms;
    while (!group.next(now + waited)) waited += 1ms;
    CHECK(waited >= pause);
    pause = waited;
    now += waited;
  }
  CHECK(pause == 10s);
  for (std::uint32_t rank = 0; rank < 3; ++rank) group.wants(rank, now + 11s); // it held
  CHECK(group.next(now + 11s).has_value());
}

TEST_CASE("an epoch that another host's ranks have seen is not given again") {
  rank_group group(1);
  group.at_least(7);
  group.wants(0, start);
  CHECK(group.next(start) == 8);
  group.at_least(3);
  group.wants(0, start + 60s);
  CHECK(group.next(start + 60s) == 9);
}

TEST_CASE("a rank that there is not changes nothing") {
  rank_group group(1);
  group.wants(7, start);
  group.ended(7, start);
  CHECK_FALSE(group.next(start));
}
