#include "cluster/node/hardening.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mayfly::node;

namespace {

bool is_refused(int outcome) { return outcome < 0 && errno == EPERM; }

/// In a process of its own, which is sealed for good: whether `attempt` is refused there.
template <class Attempt>
bool refused_behind(worker_reach reach, Attempt attempt) {
  auto const child = fork();
  if (child == 0) {
    bool const sealed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && seal_worker(reach).has_value();
    _exit(!sealed ? 2 : is_refused(attempt()) ? 1 : 0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) != 2);
  return WEXITSTATUS(status) == 1;
}

int connect_nowhere() {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(1);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<sockaddr const*>(&to), sizeof to);
}
int make_file() { return open("/tmp/mayfly-hardening-test", O_RDONLY | O_CREAT, 0600); }
int write_file() { return open("/dev/null", O_WRONLY); }
int read_and_write_file() { return open("/dev/zero", O_RDWR); }
int read_file() { return open("/dev/null", O_RDONLY); }
int run_program() {
  char* const none[] = {nullptr};
  return execve("/bin/true", none, none);
}
int make_folder() { return mkdir("/tmp/mayfly-hardening-test", 0700); }

} // namespace

TEST_CASE("a sealed worker reads files, and neither runs programs nor makes folders, whatever its reach") {
  for (auto const reach : {worker_reach::nothing, worker_reach::device, worker_reach::ranks_on_devices}) {
    CHECK_FALSE(refused_behind(reach, read_file));
    CHECK(refused_behind(reach, run_program));
    CHECK(refused_behind(reach, make_folder));
  }
}

TEST_CASE("a sealed worker reaches as far as its devices need, and no further") {
  CHECK(refused_behind(worker_reach::nothing, connect_nowhere));
  CHECK(refused_behind(worker_reach::nothing, make_file));
  CHECK(refused_behind(worker_reach::nothing, write_file));
  CHECK(refused_behind(worker_reach::nothing, read_and_write_file));

  CHECK(refused_behind(worker_reach::device, connect_nowhere));
  CHECK(refused_behind(worker_reach::device, make_file));
  CHECK_FALSE(refused_behind(worker_reach::device, write_file));
  CHECK_FALSE(refused_behind(worker_reach::device, read_and_write_file));

  CHECK_FALSE(refused_behind(worker_reach::ranks_on_devices, connect_nowhere));
  CHECK_FALSE(refused_behind(worker_reach::ranks_on_devices, make_file));
  CHECK(unlink("/tmp/mayfly-hardening-test") == 0);
}
