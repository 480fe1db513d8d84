#include "cluster/membership/member_table.hpp"

#include "cluster/membership/dialling.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::cluster;
using namespace std::chrono_literals;
using messages::role;

namespace {

constexpr auto bit = [](role one) { return static_cast<messages::role_set>(one); };

messages::member member(std::uint64_t node, role what = role::worker) {
  messages::member made;
  made.node = {node};
  made.roles = bit(what);
  made.endpoint = *name::parse("tcp://127.0.0.1:1");
  made.public_key[0] = static_cast<std::byte>(node);
  return made;
}

constexpr source announced{source_kind::announced, {100}};
constexpr source other{source_kind::announced, {200}};

struct table_with_two {
  boot_clock::time_point now = boot_clock::now();
  member_table table;
  table_with_two() { table.merge(announced, {{member(1), member(2)}, {}, {}, now + 5s}, now); }
};

} // namespace

TEST_CASE("members that a source names are in the view, in the order of their ids") {
  member_table table;
  auto const change = table.merge(announced, {{member(7), member(3)}, {}, {}, {}}, boot_clock::now());
  CHECK(change.changed);
  REQUIRE(table.view().members.size() == 2);
  CHECK(table.view().members[0].node == node_id{3});
}

TEST_CASE("the epoch grows with a change and only then") {
  table_with_two t;
  auto const epoch = t.table.view().epoch;
  CHECK(!t.table.merge(announced, {{member(2), member(1)}, {}, {}, t.now + 9s}, t.now).changed);
  CHECK(t.table.view().epoch == epoch);
  CHECK(t.table.merge(announced, {{member(2)}, {}, {}, t.now + 9s}, t.now).changed);
  CHECK(t.table.view().epoch == epoch + 1);
}

TEST_CASE("members of a silent source leave, and nobody says that they exited") {
  table_with_two t;
  CHECK(!t.table.expire(t.now + 4s).changed);
  auto const change = t.table.expire(t.now + 5s);
  CHECK(change.changed);
  CHECK(change.exited.empty());
  CHECK(t.table.view().members.empty());
}

TEST_CASE("a source without an end is never silent") {
  member_table table;
  table.merge(announced, {{member(1)}, {}, {}, {}}, boot_clock::now());
  CHECK(!table.expire(boot_clock::now() + 24h).changed);
}

TEST_CASE("an exited process leaves the view at once, whoever else names it, and is news once") {
  table_with_two t;
  t.table.merge(other, {{member(1)}, {}, {}, {}}, t.now);
  auto const change = t.table.merge(announced, {{member(2)}, {{{1}, 42}}, {}, {}}, t.now);
  REQUIRE(change.exited.size() == 1);
  CHECK(change.exited[0].at_unix_ms == 42);
  CHECK(t.table.find(node_id{1}) == nullptr);
  REQUIRE(t.table.view().exited.size() == 1);
  CHECK(t.table.merge(other, {{}, {{{1}, 42}}, {}, {}}, t.now).exited.empty());
}

TEST_CASE(
    "a supervisor over a link is not believed about the exit of another's process, also a silent one's") {
  table_with_two t;
  CHECK(t.table.merge(other, {{member(3)}, {{{1}, 42}}, {}, {}}, t.now).exited.empty());
  CHECK(t.table.find(node_id{1}) != nullptr);
  t.table.expire(t.now + 6s);
  CHECK(t.table.merge(other, {{member(3)}, {{{1}, 42}}, {}, {}}, t.now + 7s).exited.empty());
  // A seed is believed: it heard whose process it was.
  CHECK(t.table.merge({source_kind::seed_view, {300}}, {{}, {{{1}, 42}}, {}, {}}, t.now + 8s).exited.size() ==
        1);
}

TEST_CASE(
    "a supervisor that was started anew, with its key, tells of what its predecessor's children became") {
  member_table table;
  auto const now = boot_clock::now();
  messages::bytes32 key{}, strange{};
  key[0] = std::byte{1}, strange[0] = std::byte{2};
  table.merge(announced, {{member(1)}, {}, key, {}}, now);
  CHECK(table.merge(other, {{member(3)}, {{{1}, 42}}, strange, {}}, now).exited.empty());
  CHECK(table.merge({source_kind::announced, {300}}, {{}, {{{1}, 42}}, key, {}}, now).exited.size() == 1);
}

TEST_CASE("views are told apart by what they say, not by their epochs") {
  messages::member_view const one{3, {member(1)}, {{{9}, 42}}};
  CHECK(same_word(one, {7, one.members, one.exited}));
  CHECK_FALSE(same_word(one, {3, {member(2)}, one.exited}));
  CHECK_FALSE(same_word(one, {3, one.members, {}}));
}

TEST_CASE("exits are told for ten minutes and never come back as news while somebody repeats them") {
  table_with_two t;
  t.table.merge(other, {{}, {{{9}, 42}}, {}, {}}, t.now);
  t.table.merge(other, {{}, {{{9}, 42}}, {}, {}}, t.now + 9min);
  CHECK(t.table.expire(t.now + 11min).changed);
  CHECK(t.table.view().exited.empty());
  CHECK(t.table.merge(other, {{}, {{{9}, 42}}, {}, {}}, t.now + 12min).exited.empty());
}

TEST_CASE("the earlier kind of source is believed where words differ") {
  table_with_two t;
  auto mine = member(1, role::gateway);
  t.table.merge({source_kind::own, {1}}, {{mine}, {}, {}, {}}, t.now);
  CHECK(t.table.find(node_id{1})->roles == bit(role::gateway));
}

TEST_CASE("a key names one member: who claims another's is left out") {
  table_with_two t;
  auto thief = member(50);
  thief.public_key = member(1).public_key;
  t.table.merge(other, {{thief}, {}, {}, {}}, t.now);
  CHECK(t.table.find(node_id{50}) == nullptr);
  CHECK(t.table.find(member(1).public_key)->node == node_id{1});
}

TEST_CASE("what an untrusted source said is forgotten") {
  table_with_two t;
  t.table.merge(other, {{member(3)}, {}, member(77).public_key, {}}, t.now);
  auto const change = t.table.forget(
      [](source const&, messages::bytes32 const& key) { return key == member(77).public_key; });
  CHECK(change.changed);
  CHECK(t.table.find(node_id{3}) == nullptr);
  CHECK(t.table.find(node_id{1}) != nullptr);
}

TEST_CASE("every node but a worker dials every worker") {
  for (auto const one : {role::gateway, role::scheduler, role::retention, role::operations})
    CHECK(dials(member(9, one), member(1)));
  CHECK(!dials(member(9), member(1)));
  CHECK(!dials(member(9, role::supervisor), member(1)));
}

TEST_CASE("a worker dials nobody") {
  for (auto const one : {role::gateway, role::scheduler, role::retention, role::operations, role::supervisor})
    CHECK(!dials(member(1), member(9, one)));
}

TEST_CASE("of two nodes that are no workers the smaller id dials, so they link once") {
  CHECK(dials(member(1, role::gateway), member(2, role::scheduler)));
  CHECK(!dials(member(2, role::scheduler), member(1, role::gateway)));
}

TEST_CASE("a node that works and more counts as more") {
  auto all = member(5);
  all.roles = bit(role::worker) | bit(role::gateway);
  CHECK(dials(all, member(9)));
  CHECK(!dials(all, member(2, role::gateway)));
}

TEST_CASE("nobody dials itself or a member without an endpoint") {
  auto hidden = member(2);
  hidden.endpoint = {};
  CHECK(!dials(member(1, role::gateway), hidden));
  CHECK(!dials(member(1, role::gateway), member(1, role::gateway)));
}
