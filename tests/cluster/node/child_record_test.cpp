#include "cluster/node/child_record.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::node;
using namespace std::chrono_literals;

namespace {

struct folder {
  std::filesystem::path path = [] {
    char name[] = "/tmp/mayfly-record-XXXXXX";
    return std::filesystem::path(mkdtemp(name));
  }();
  folder() = default;
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
};

pid_t sleeping_child() {
  auto const pid = fork();
  if (pid == 0) {
    while (true) pause();
  }
  return pid;
}

} // namespace

TEST_CASE("without a record nobody is gone") {
  folder const place;
  CHECK(child_record(place.path / "children").gone(0ms).empty());
}

TEST_CASE("children whose end was seen, or that do not run, are gone") {
  folder const place;
  child_record const record(place.path / "children");
  auto const pid = sleeping_child();
  REQUIRE(record.write({{node_id{1}}, {node_id{2}, pid}}));
  kill(pid, SIGKILL);
  REQUIRE(waitpid(pid, nullptr, 0) == pid);
  auto const gone = record.gone(0ms);
  REQUIRE(gone.size() == 2);
  CHECK(gone[0] == node_id{1});
  CHECK(gone[1] == node_id{2});
}

TEST_CASE("a child that outlived its supervisor is ended, and gone then") {
  folder const place;
  child_record const record(place.path / "children");
  auto const pid = sleeping_child();
  REQUIRE(record.write({{node_id{2}, pid}}));
  CHECK(record.gone(10s).size() == 1);
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("the record is for its owner alone, and what is no record names nobody") {
  folder const place;
  child_record const record(place.path / "children");
  REQUIRE(record.write({{node_id{1}}}));
  struct stat facts{};
  REQUIRE(stat((place.path / "children").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777U) == 0600U);
  std::filesystem::copy_file("/proc/self/exe", place.path / "noise");
  CHECK(child_record(place.path / "noise").gone(0ms).empty());
}
