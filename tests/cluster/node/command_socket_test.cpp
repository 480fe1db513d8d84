#include "cluster/node/command_socket.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <sys/stat.h>
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
