#include "tests/cluster/link_harness.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::test;

namespace {

/// A process of its own that accepts links, and dials where it is told, until it is killed. Forked while this
/// process has no other threads.
class node_process {
public:
  node_process(test_node& who, messages::bytes32 const& friend_key) {
    int reports[2];
    int orders[2];
    REQUIRE(pipe(reports) == 0);
    REQUIRE(pipe(orders) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) run(who, friend_key, reports[1], orders[0]);
    close(reports[1]);
    close(orders[0]);
    orders_ = orders[1];
    endpoint_ = read_name(reports[0]);
    close(reports[0]);
    REQUIRE(!endpoint_.empty());
  }
  ~node_process() {
    close(orders_);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  node_process(node_process const&) = delete;
  node_process& operator=(node_process const&) = delete;

  void signal(int number) const { REQUIRE(kill(pid_, number) == 0); }
  /// It dials the holder of the friend's key there.
  void dial(name const& endpoint) const { REQUIRE(write_name(orders_, endpoint)); }
  name const& endpoint() const noexcept { return endpoint_; }

private:
  static name read_name(int from) {
    char text[128] = {};
    auto const size = read(from, text, sizeof text);
    auto const parsed = name::parse({text, size > 0 ? static_cast<std::size_t>(size) : 0});
    return parsed ? *parsed : name();
  }
  static bool write_name(int to, name const& what) {
    return write(to, what.text().data(), what.text().size()) > 0;
  }
  [[noreturn]] static void run(test_node& who, messages::bytes32 const& friend_key, int reports, int orders) {
    auto options = who.options();
    options.trusted = {friend_key};
    auto links = transport::start(std::move(options), who.ear);
    if (!links) _exit(1);
    (*links)->open();
    if (!write_name(reports, (*links)->endpoint())) _exit(1);
    auto const target = read_name(orders);
    if (!target.empty()) (*links)->dial({target, friend_key, {}, {}, {}});
    while (true) pause();
  }

  pid_t pid_ = -1;
  int orders_ = -1;
  name endpoint_;
};

/// A local node that dialled a process.
struct linked_process {
  test_node remote;
  test_node local;
  node_process process{remote, local.key.public_key};
  linked_process() {
    local.start();
    dial_request request;
    request.endpoint = process.endpoint();
    request.public_key = remote.key.public_key;
    request.expected = remote.node;
    local.link->dial(std::move(request));
    REQUIRE(local.ear.wait_up());
  }
};

} // namespace

TEST_CASE("nodes in two processes link") {
  linked_process two;
  CHECK(two.local.ear.peer()->node() == two.remote.node);
}

TEST_CASE("a killed process is noticed within a quarter of a second") {
  linked_process two;
  two.process.signal(SIGKILL);
  CHECK(two.local.ear.wait_down(1, 250ms));
}

TEST_CASE("a killed process that dialled is noticed as soon") {
  test_node remote;
  test_node local;
  node_process process{remote, local.key.public_key};
  local.start({remote.key.public_key});
  process.dial(local.link->endpoint());
  REQUIRE(local.ear.wait_up());
  process.signal(SIGKILL);
  CHECK(local.ear.wait_down(1, 250ms));
}

TEST_CASE("a frozen process is noticed within a second and a half") {
  linked_process two;
  two.process.signal(SIGSTOP);
  CHECK(two.local.ear.wait_down(1, 1500ms));
}

TEST_CASE("a link whose peer is frozen is dropped beyond its bound, and all that waited is wiped") {
  test_node remote;
  test_node local;
  node_process process{remote, local.key.public_key};
  auto options = local.options();
  options.outbox_bytes = std::size_t{8} << 20;
  options.silence = options.ping = options.ping_timeout = 1h; // nothing but the bound may end it
  local.start(std::move(options));
  dial_request request;
  request.endpoint = process.endpoint();
  request.public_key = remote.key.public_key;
  local.link->dial(std::move(request));
  REQUIRE(local.ear.wait_up());
  auto const before = locked_memory_usage().in_use_bytes;
  process.signal(SIGSTOP);
  auto const peer = local.ear.peer();
  bool dropped = false;
  for (int count = 0; count < 4096 && !dropped; ++count) {
    messages::output_chunk chunk;
    chunk.text.resize(std::size_t{1} << 20);
    peer->send(std::move(chunk));
    dropped = local.ear.log.read([](heard const& all) { return !all.down.empty(); });
  }
  REQUIRE(local.ear.wait_down());
  CHECK(local.ear.log.read([](heard const& all) { return all.reasons.at(0); }) == errc::overloaded);
  peer->send(messages::credit{}); // dropped, not queued
  local.link.reset();
  CHECK(locked_memory_usage().in_use_bytes <= before);
}
