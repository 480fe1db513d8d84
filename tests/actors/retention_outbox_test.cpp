#include "actors/retention_outbox.hpp"
#include "tests/actors/recording_peer.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;

namespace {

messages::lease_closing closing_of(std::uint64_t serial) {
  messages::lease_closing made;
  made.request = {{101}, serial};
  return made;
}

std::vector<std::uint64_t> heard(recording_peer const& peer) {
  std::vector<std::uint64_t> serials;
  for (auto const& one : peer.all<messages::lease_closing>()) serials.push_back(one->request.serial);
  return serials;
}

} // namespace

TEST_CASE("reports wait for a retention peer, in their order") {
  actors::retention_outbox outbox;
  outbox.report(closing_of(1));
  outbox.report(closing_of(2));
  auto const retention = std::make_shared<recording_peer>(node_id{101}, only(role::retention));
  outbox.joined(std::make_shared<recording_peer>(node_id{7}, only(role::gateway)));
  outbox.joined(retention);
  outbox.report(closing_of(3));
  CHECK(heard(*retention) == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("what was on its way to a retention peer that went is told to the next one again") {
  actors::retention_outbox outbox;
  auto const frozen = std::make_shared<recording_peer>(node_id{101}, only(role::retention));
  outbox.joined(frozen);
  outbox.report(closing_of(1));
  outbox.left(node_id{101});
  outbox.report(closing_of(2));
  auto const next = std::make_shared<recording_peer>(node_id{102}, only(role::retention));
  outbox.joined(next);
  CHECK(heard(*next) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("the oldest reports give way where too many are kept") {
  actors::retention_outbox outbox(2);
  for (std::uint64_t serial = 1; serial <= 3; ++serial) outbox.report(closing_of(serial));
  CHECK(outbox.kept() == 2);
  auto const retention = std::make_shared<recording_peer>(node_id{101}, only(role::retention));
  outbox.joined(retention);
  CHECK(heard(*retention) == std::vector<std::uint64_t>{2, 3});
}
