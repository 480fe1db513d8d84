#include "tests/cluster/link_harness.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::test;

namespace {

/// A process of its own that accepts links until it is killed. Forked while this process
/// has no other threads.
class node_process {
public:
  node_process(test_node& who, messages::bytes32 const& trusted) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) run(who, trusted, ends[1]);
    close(ends[1]);
    char text[128] = {};
    auto const size = read(ends[0], text, sizeof text);
    close(ends[0]);
    REQUIRE(size > 0);
    endpoint_ = *name::parse({text, static_cast<std::size_t>(size)});
  }
  ~node_process() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  node_process(node_process const&) = delete;
  node_process& operator=(node_process const&) = delete;

  void signal(int number) const { REQUIRE(kill(pid_, number) == 0); }
  name const& endpoint() const noexcept { return endpoint_; }

private:
  [[noreturn]] static void run(test_node& who, messages::bytes32 const& trusted, int report) {
    auto options = who.options();
    options.trusted = {trusted};
    auto links = transport::start(std::move(options), who.ear);
    if (!links) _exit(1);
    (*links)->open();
    auto const& own = (*links)->endpoint().text();
    if (write(report, own.data(), own.size()) < 0) _exit(1);
    close(report);
    while (true) pause();
  }

  pid_t pid_ = -1;
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
