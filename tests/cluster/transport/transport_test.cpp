#include "tests/cluster/link_harness.hpp"

using namespace mayfly;
using namespace mayfly::test;

TEST_CASE("two nodes that trust each other link and speak both ways") {
  linked_pair pair;
  CHECK(pair.acceptor.ear.peer()->node() == pair.dialler.node);
  CHECK(pair.dialler.ear.peer()->node() == pair.acceptor.node);
  CHECK(pair.dialler.ear.peer()->roles() == pair.acceptor.roles);
  pair.dialler.ear.peer()->send(messages::credit{});
  pair.acceptor.ear.peer()->send(messages::cancel{});
  CHECK(pair.acceptor.ear.wait_messages(1));
  CHECK(pair.dialler.ear.wait_messages(1));
}

TEST_CASE("messages arrive in the order in which they were sent") {
  linked_pair pair;
  for (std::uint32_t count = 0; count < 5000; ++count) {
    messages::credit one;
    one.chunks = count;
    pair.dialler.ear.peer()->send(std::move(one));
  }
  REQUIRE(pair.acceptor.ear.wait_messages(5000));
  auto const credits = pair.acceptor.ear.log.read([](heard const& all) { return all.credits; });
  std::vector<std::uint64_t> expected(5000);
  std::iota(expected.begin(), expected.end(), 0U);
  CHECK(credits == expected);
}

TEST_CASE("a message of many megabytes crosses whole") {
  linked_pair pair;
  messages::output_chunk chunk;
  chunk.text.resize(std::size_t{24} << 20);
  pair.dialler.ear.peer()->send(std::move(chunk));
  REQUIRE(pair.acceptor.ear.wait_messages(1));
  CHECK(pair.acceptor.ear.log.read([](heard const& all) { return all.last_text_bytes; }) == std::size_t{24}
                                                                                                << 20);
}

TEST_CASE("a key that nobody trusts is refused") {
  test_node acceptor;
  test_node stranger;
  acceptor.start();
  stranger.start();
  stranger.dial(acceptor);
  REQUIRE(stranger.dials->wait_down());
  CHECK(stranger.dials->reason() == errc::untrusted);
  CHECK(acceptor.ear.log.read([](heard const& all) { return all.up.empty(); }));
}

TEST_CASE("a server that does not hold the expected key is not linked to") {
  test_node acceptor;
  test_node dialler;
  acceptor.start({dialler.key.public_key});
  dialler.start();
  auto request = dialler.request_to(acceptor);
  request.public_key = crypto::link_key::generate().public_key;
  dialler.link->dial(std::move(request));
  REQUIRE(dialler.dials->wait_down());
  CHECK(dialler.ear.log.read([](heard const& all) { return all.up.empty(); }));
}

TEST_CASE("a node that answers for another is not linked to") {
  test_node acceptor;
  test_node dialler;
  acceptor.start({dialler.key.public_key});
  dialler.start();
  auto request = dialler.request_to(acceptor);
  request.expected = node_id::make();
  dialler.link->dial(std::move(request));
  REQUIRE(dialler.dials->wait_down());
  CHECK(dialler.dials->reason() == errc::untrusted);
}

TEST_CASE("nodes without a common version refuse each other and say so") {
  test_node acceptor;
  test_node dialler;
  acceptor.start({dialler.key.public_key});
  auto newer = dialler.options();
  newer.oldest_version = newer.newest_version = 2;
  dialler.start(std::move(newer));
  dialler.dial(acceptor);
  REQUIRE(dialler.dials->wait_down());
  CHECK(dialler.dials->reason() == errc::version_mismatch);
  CHECK(acceptor.ear.log.read([](heard const& all) { return all.up.empty(); }));
}

TEST_CASE("nodes whose version ranges overlap link") {
  test_node acceptor;
  test_node dialler;
  acceptor.start({dialler.key.public_key});
  auto newer = dialler.options();
  newer.newest_version = 7;
  dialler.start(std::move(newer));
  dialler.dial(acceptor);
  CHECK(acceptor.ear.wait_up());
}

TEST_CASE("a key that belongs to another member is refused at hello") {
  test_node acceptor;
  test_node dialler;
  acceptor.start({dialler.key.public_key});
  messages::member known;
  known.node = node_id::make();
  known.public_key = dialler.key.public_key;
  acceptor.link->set_vouched({known});
  dialler.start();
  dialler.dial(acceptor);
  REQUIRE(dialler.dials->wait_down());
  CHECK(dialler.dials->reason() == errc::untrusted);
}

TEST_CASE("a member that somebody vouches for is accepted without being listed") {
  test_node acceptor;
  test_node dialler;
  acceptor.start();
  messages::member known;
  known.node = dialler.node;
  known.roles = dialler.roles;
  known.public_key = dialler.key.public_key;
  acceptor.link->set_vouched({known});
  dialler.start();
  dialler.dial(acceptor);
  CHECK(acceptor.ear.wait_up());
}

TEST_CASE("revoking a key closes its link, and it does not come back") {
  linked_pair pair;
  pair.acceptor.link->set_trusted({});
  REQUIRE(pair.acceptor.ear.wait_down());
  CHECK(pair.acceptor.ear.log.read([](heard const& all) { return all.reasons.at(0); }) == errc::untrusted);
  REQUIRE(pair.dialler.dials->wait_down());
  pair.dialler.dials->log.change([](auto& now) { now = {}; });
  pair.dialler.dial(pair.acceptor);
  REQUIRE(pair.dialler.dials->wait_down());
  CHECK(pair.dialler.dials->reason() == errc::untrusted);
}

TEST_CASE("a revoked key is refused even if somebody vouches for it") {
  linked_pair pair;
  messages::member known;
  known.node = pair.dialler.node;
  known.roles = pair.dialler.roles;
  known.public_key = pair.dialler.key.public_key;
  pair.acceptor.link->set_vouched({known});
  pair.acceptor.link->set_trusted({});
  CHECK(pair.acceptor.ear.wait_down());
}

TEST_CASE("trust can be extended while the node runs") {
  test_node acceptor;
  test_node dialler;
  acceptor.start();
  acceptor.link->set_trusted(std::vector{dialler.key.public_key});
  dialler.start();
  dialler.dial(acceptor);
  CHECK(acceptor.ear.wait_up());
}

TEST_CASE("a node that stops is noticed by both sorts of peer") {
  SECTION("the accepting one") {
    linked_pair pair;
    pair.dialler.link.reset();
    CHECK(pair.acceptor.ear.wait_down());
  }
  SECTION("the dialling one") {
    linked_pair pair;
    pair.acceptor.link.reset();
    CHECK(pair.dialler.ear.wait_down());
    CHECK(pair.dialler.dials->wait_down());
  }
}

TEST_CASE("what was sent before a node stops still arrives") {
  linked_pair pair;
  for (int count = 0; count < 100; ++count) pair.dialler.ear.peer()->send(messages::credit{});
  pair.dialler.link.reset();
  CHECK(pair.acceptor.ear.wait_messages(100));
}

TEST_CASE("a link that is hung up calls its dialler no more") {
  linked_pair pair;
  test_node other;
  other.start({pair.dialler.key.public_key});
  auto const number = pair.dialler.dial(other);
  REQUIRE(pair.dialler.ear.wait_up(2));
  pair.dialler.link->hang_up(number);
  REQUIRE(other.ear.wait_down());
  CHECK(pair.dialler.ear.wait_down());
  CHECK(pair.dialler.dials->log.read([](auto const& now) { return now.down; }) == 0);
}

TEST_CASE("a second link between two nodes replaces the first, once told of it") {
  linked_pair pair;
  pair.dialler.dial(pair.acceptor);
  REQUIRE(pair.acceptor.ear.wait_up(2));
  CHECK(pair.acceptor.ear.wait_down());
  REQUIRE(pair.dialler.ear.wait_up(2));
  auto const newest = pair.dialler.ear.log.read([](heard const& all) { return all.up.back(); });
  newest->send(messages::credit{});
  CHECK(pair.acceptor.ear.wait_messages(1));
}

TEST_CASE("two nodes that dial each other at once end with one link") {
  test_node first;
  test_node second;
  first.start({second.key.public_key});
  second.start({first.key.public_key});
  first.dial(second);
  second.dial(first);
  auto const settled = [](test_node& node) {
    return node.dials->log.wait([](auto const& now) { return now.up + now.down > 0; });
  };
  REQUIRE(settled(first));
  REQUIRE(settled(second));
  auto& smaller = first.node < second.node ? first : second;
  auto& larger = first.node < second.node ? second : first;
  REQUIRE(larger.dials->wait_down());
  CHECK(smaller.dials->log.read([](auto const& now) { return now.down; }) == 0);
}

TEST_CASE("nobody listening is reported to the dialler") {
  test_node acceptor;
  test_node dialler;
  acceptor.start();
  dialler.start();
  auto const request = dialler.request_to(acceptor);
  acceptor.link.reset();
  dialler.link->dial(request);
  REQUIRE(dialler.dials->wait_down());
  CHECK(dialler.dials->reason() == errc::unavailable);
}

TEST_CASE("an endpoint that cannot be bound is an error, not a crash") {
  test_node node;
  auto with = node.options();
  with.bind = *name::parse("tcp://256.0.0.1:1");
  auto const made = transport::start(std::move(with), node.ear);
  REQUIRE(!made);
  CHECK(made.failure().code == errc::io);
}

TEST_CASE("a secret key of a wrong length is an error") {
  test_node node;
  auto with = node.options();
  with.secret_key.resize(31);
  auto const made = transport::start(std::move(with), node.ear);
  REQUIRE(!made);
  CHECK(made.failure().code == errc::configuration);
}
