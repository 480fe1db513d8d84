#pragma once
// Transports in this process, and ears that remember what they heard. Every wait has a deadline and ends as
// soon as its condition holds.
#include "cluster/transport/transport.hpp"
#include "protocol/crypto/keys.hpp"
#include "protocol/msgpack/envelope.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <numeric>

namespace mayfly::test {

using namespace std::chrono_literals;
using namespace cluster;

/// A value that threads change and a test waits for.
template <class T>
class watched {
public:
  template <class Change>
  void change(Change&& apply) {
    std::lock_guard const lock(mutex_);
    apply(value_);
    changed_.notify_all();
  }
  /// True once `holds(value)`; false if it does not within `patience`.
  template <class Condition>
  bool wait(Condition&& holds, std::chrono::milliseconds patience = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return holds(value_); });
  }
  template <class Read>
  auto read(Read&& get) {
    std::lock_guard const lock(mutex_);
    return get(value_);
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

struct heard {
  std::vector<peer_ref> up;
  std::vector<node_id> down;
  std::vector<errc> reasons;
  std::vector<std::uint16_t> kinds;
  std::vector<std::uint64_t> credits; ///< `chunks` of each credit message
  std::size_t last_text_bytes = 0;    ///< of the newest output_chunk
};

class recording_listener : public link_listener {
public:
  void up(peer_ref const& peer, link_direction) override {
    log.change([&](heard& all) { all.up.push_back(peer); });
  }
  void down(peer_ref const& peer, error const& why) override {
    log.change([&](heard& all) { all.down.push_back(peer->node()), all.reasons.push_back(why.code); });
  }
  result<void> arrived(peer_ref const& from, wire::envelope_view const& opened) override {
    if (echo) from->send(messages::credit{});
    log.change([&](heard& all) {
      all.kinds.push_back(opened.header.kind);
      if (auto const one = wire::payload_of<messages::credit>(opened)) all.credits.push_back(one->chunks);
      if (auto const one = wire::payload_of<messages::output_chunk>(opened))
        all.last_text_bytes = one->text.size();
    });
    return {};
  }
  bool wait_up(std::size_t count = 1) {
    return log.wait([&](heard const& all) { return all.up.size() >= count; });
  }
  bool wait_down(std::size_t count = 1, std::chrono::milliseconds patience = 10s) {
    return log.wait([&](heard const& all) { return all.down.size() >= count; }, patience);
  }
  bool wait_messages(std::size_t count) {
    return log.wait([&](heard const& all) { return all.kinds.size() >= count; });
  }
  peer_ref peer() {
    return log.read([](heard const& all) { return all.up.at(0); });
  }

  watched<heard> log;
  bool echo = false;
};

/// How a dial went.
struct dial_log {
  struct state {
    int up = 0;
    int down = 0;
    errc reason = errc::ok;
  };
  watched<state> log;
  bool wait_down() {
    return log.wait([](state const& now) { return now.down > 0; });
  }
  errc reason() {
    return log.read([](state const& now) { return now.reason; });
  }
};

/// One node's identity, listener and transport.
struct test_node {
  crypto::link_key key = crypto::link_key::generate();
  node_id node = node_id::make();
  messages::role_set roles = static_cast<messages::role_set>(messages::role::worker);
  recording_listener ear;
  std::shared_ptr<dial_log> dials = std::make_shared<dial_log>();
  std::unique_ptr<transport> link;

  transport_options options() const {
    transport_options made;
    made.node = node;
    made.roles = roles;
    made.public_key = key.public_key;
    made.secret_key = key.secret.clone();
    made.bind = *name::parse("tcp://127.0.0.1:*");
    return made;
  }
  void start(transport_options with) {
    auto made = transport::start(std::move(with), ear);
    REQUIRE(made);
    link = std::move(*made);
    link->open();
  }
  void start(std::vector<messages::bytes32> trusted = {}) {
    auto with = options();
    with.trusted = std::move(trusted);
    start(std::move(with));
  }
  dial_request request_to(test_node const& other) const {
    dial_request request;
    request.endpoint = other.link->endpoint();
    request.public_key = other.key.public_key;
    request.expected = other.node;
    request.up = [log = dials](peer_ref const&) { log->log.change([](auto& now) { ++now.up; }); };
    request.down = [log = dials](error const& why) {
      log->log.change([&](auto& now) { ++now.down, now.reason = why.code; });
    };
    return request;
  }
  dial_number dial(test_node const& other) { return link->dial(request_to(other)); }
};

/// `dialler` linked to `acceptor`.
struct linked_pair {
  test_node acceptor;
  test_node dialler;
  linked_pair() {
    acceptor.start({dialler.key.public_key});
    dialler.start();
    dialler.dial(acceptor);
    REQUIRE(acceptor.ear.wait_up());
    REQUIRE(dialler.ear.wait_up());
  }
};

} // namespace mayfly::test
