#include "cluster/node/command_socket.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

using namespace mayfly;
using namespace mayfly::node;

namespace {

/// A socket that answers every line with "re: LINE" while it lives.
struct echo {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("mayfly-socket-" + std::to_string(getpid()));
  std::unique_ptr<command_socket> socket = std::move(command_socket::open(path).value());
  std::atomic<bool> stopping{false};
  std::thread thread{[this] {
    while (!stopping)
      socket->poll([this](auto client, std::string const& line) { socket->answer(client, "re: " + line); });
  }};
  ~echo() {
    stopping = true;
    thread.join();
  }
};

/// A client that has said nothing yet.
int silent_client(std::filesystem::path const& path) {
  int const descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(connect(descriptor, reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
  return descriptor;
}

/// True where the socket has something for its loop within `milliseconds`.
bool wakes(command_socket const& socket, int milliseconds) {
  std::vector<pollfd> watched;
  socket.watch(watched);
  return ::poll(watched.data(), watched.size(), milliseconds) > 0;
}

} // namespace

TEST_CASE("the command line asks and the supervisor answers") {
  echo const server;
  auto const answer = ask_supervisor(server.path, "status");
  REQUIRE(answer);
  CHECK(*answer == "re: status");
}

TEST_CASE("only the owner may ask") {
  echo const server;
  struct stat found{};
  REQUIRE(stat(server.path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
}

TEST_CASE("a second cluster in the same directory is refused") {
  echo const server;
  auto const second = command_socket::open(server.path);
  REQUIRE_FALSE(second);
  CHECK(second.failure().code == errc::not_permitted);
}

TEST_CASE("where no cluster runs the answer says so, also after one died without a word") {
  auto const path = std::filesystem::temp_directory_path() / "mayfly-no-cluster";
  CHECK(ask_supervisor(path, "status").failure().code == errc::unavailable);
  echo const server;
  REQUIRE(command_socket::open(path));
}

TEST_CASE("a client's line wakes the loop, and one that left does so once") {
  auto const path = std::filesystem::temp_directory_path() / ("mayfly-waking-" + std::to_string(getpid()));
  auto const socket = std::move(command_socket::open(path).value());
  int lines = 0;
  auto const serve = [&](auto client, std::string const&) { ++lines, socket->answer(client, "re"); };
  int const asking = silent_client(path);
  int const leaving = silent_client(path);
  REQUIRE(wakes(*socket, 1000));
  socket->poll(serve);
  CHECK_FALSE(wakes(*socket, 0));

  REQUIRE(send(asking, "status\n", 7, 0) == 7);
  REQUIRE(wakes(*socket, 1000));
  socket->poll(serve);
  CHECK(lines == 1);
  CHECK_FALSE(wakes(*socket, 0));

  close(leaving);
  REQUIRE(wakes(*socket, 1000));
  socket->poll(serve);
  CHECK_FALSE(wakes(*socket, 0));
  close(asking);
}
