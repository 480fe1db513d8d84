// What a node makes of peers that do not keep to the protocol. The rude peer speaks ZeroMQ itself.
#include "cluster/transport/self_test.hpp"
#include "cluster/transport/socket.hpp"
#include "tests/cluster/link_harness.hpp"

using namespace mayfly;
using namespace mayfly::test;

namespace {

/// A trusted key in the hands of something that says what it likes.
class rude_peer {
public:
  crypto::link_key key = crypto::link_key::generate();
  node_id node = node_id::make();

  void connect(test_node const& victim) {
    socket_ = link_socket(context_, ZMQ_DEALER);
    socket_.set(ZMQ_CURVE_PUBLICKEY, key.public_key);
    socket_.set(ZMQ_CURVE_SECRETKEY, key.secret.reveal());
    socket_.set(ZMQ_CURVE_SERVERKEY, victim.key.public_key);
    socket_.set(ZMQ_RECONNECT_IVL, -1);
    socket_.connect(victim.link->endpoint().text());
    REQUIRE(socket_.failure());
    victim_ = victim.node;
  }
  void say(ephemeral_bytes const& frame) { zmq_send(socket_.raw(), frame.reveal().data(), frame.size(), 0); }
  template <messages::message M>
  ephemeral_bytes envelope(M message) {
    return parcel(std::move(message)).encode(node, victim_);
  }
  void greet() { say(envelope(messages::hello{1, 1, node, 1})); }
  void greet_in_two_parts() {
    auto const frame = envelope(messages::hello{1, 1, node, 1});
    zmq_send(socket_.raw(), frame.reveal().data(), frame.size(), ZMQ_SNDMORE);
    zmq_send(socket_.raw(), frame.reveal().data(), frame.size(), 0);
  }

private:
  link_context context_;
  link_socket socket_;
  node_id victim_;
};

struct visited {
  rude_peer rude;
  test_node victim;
  visited() {
    victim.start({rude.key.public_key});
    rude.connect(victim);
  }
  void link() {
    rude.greet();
    REQUIRE(victim.ear.wait_up());
  }
  errc reason() {
    REQUIRE(victim.ear.wait_down());
    return victim.ear.log.read([](heard const& all) { return all.reasons.at(0); });
  }
};

/// The frame with the ephemeral flag struck out of its header.
ephemeral_bytes unmarked(ephemeral_bytes frame) {
  // {1: version, 2: kind, 3: flags, ...}: tag 3 is followed by the flags' one byte.
  auto bytes = frame.reveal();
  for (std::size_t index = 3; index + 1 < 12; ++index)
    if (bytes[index] == std::byte{3} && bytes[index + 1] == std::byte{1}) {
      bytes[index + 1] = std::byte{0};
      break;
    }
  return frame;
}

} // namespace

TEST_CASE("content that comes without its mark closes the link") {
  visited visit;
  visit.link();
  auto frame = unmarked(visit.rude.envelope(messages::output_chunk{}));
  REQUIRE(wire::open_envelope(frame.reveal()).failure().code == errc::content_not_marked);
  visit.rude.say(frame);
  CHECK(visit.reason() == errc::content_not_marked);
}

TEST_CASE("bytes that are no envelope close the link") {
  visited visit;
  visit.link();
  visit.rude.say(ephemeral_bytes::zeros(40));
  CHECK(visit.reason() == errc::malformed);
}

TEST_CASE("a message in another node's name closes the link") {
  visited visit;
  visit.link();
  visit.rude.node = node_id::make();
  visit.rude.say(visit.rude.envelope(messages::credit{}));
  CHECK(visit.reason() == errc::untrusted);
}

TEST_CASE("a second hello closes the link") {
  visited visit;
  visit.link();
  visit.rude.greet();
  CHECK(visit.reason() == errc::malformed);
}

TEST_CASE("a message for another process is dropped and the link stays") {
  visited visit;
  visit.link();
  visit.rude.say(parcel(messages::cancel{}).encode(visit.rude.node, node_id::make()));
  visit.rude.say(visit.rude.envelope(messages::credit{}));
  REQUIRE(visit.victim.ear.wait_messages(1));
  auto const kinds = visit.victim.ear.log.read([](heard const& all) { return all.kinds; });
  CHECK(kinds == std::vector{messages::kind_of<messages::credit>::number});
}

TEST_CASE("nothing is taken before hello") {
  visited visit;
  visit.rude.say(visit.rude.envelope(messages::credit{}));
  visit.rude.greet(); // too late: the connection is closed
  test_node polite;
  visit.victim.link->set_trusted(std::vector{visit.rude.key.public_key, polite.key.public_key});
  polite.start();
  polite.dial(visit.victim);
  REQUIRE(visit.victim.ear.wait_up());
  CHECK(visit.victim.ear.peer()->node() == polite.node);
  CHECK(visit.victim.ear.log.read([](heard const& all) { return all.kinds.empty(); }));
}

TEST_CASE("a message of several frames closes the connection") {
  visited visit;
  visit.rude.greet_in_two_parts();
  test_node polite;
  visit.victim.link->set_trusted(std::vector{visit.rude.key.public_key, polite.key.public_key});
  polite.start();
  polite.dial(visit.victim);
  REQUIRE(visit.victim.ear.wait_up());
  CHECK(visit.victim.ear.peer()->node() == polite.node);
}

TEST_CASE("a peer that says hello and then nothing is lost") {
  visited visit;
  visit.link();
  CHECK(visit.reason() == errc::unavailable);
}

TEST_CASE("the self-test finds a door that lets everybody in") {
  auto const key = crypto::link_key::generate();
  link_context context;
  link_socket open_door(context, ZMQ_ROUTER); // CURVE, and no ZAP handler
  open_door.set(ZMQ_CURVE_SERVER, 1);
  open_door.set(ZMQ_CURVE_SECRETKEY, key.secret.reveal());
  open_door.bind("tcp://127.0.0.1:*");
  auto const verdict = refuses_strangers(context, open_door.last_endpoint(), key.public_key, 10s);
  REQUIRE(!verdict);
  CHECK(verdict.failure().code == errc::untrusted);
}

TEST_CASE("the self-test takes silence for failure") {
  auto const key = crypto::link_key::generate();
  link_context context;
  link_socket router(context, ZMQ_ROUTER);
  router.bind("tcp://127.0.0.1:*"); // speaks no CURVE at all
  auto const verdict = refuses_strangers(context, router.last_endpoint(), key.public_key, 50ms);
  CHECK(!verdict);
}
