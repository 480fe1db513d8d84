#include "cluster/node/control_channel.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::node;

namespace {

std::vector<control_frame> wait_for_frames(control_channel& channel, std::size_t count) {
  std::vector<control_frame> all;
  auto const end = boot_clock::now() + std::chrono::seconds(10);
  while (all.size() < count && boot_clock::now() < end) {
    auto frames = channel.receive();
    REQUIRE(frames);
    for (auto& frame : *frames) all.push_back(std::move(frame));
    std::this_thread::yield();
  }
  return all;
}

} // namespace

TEST_CASE("frames of the control channel arrive whole and in order, however large") {
  auto ends = control_channel::make_pair();
  REQUIRE(ends);
  control_channel one(ends->first);
  control_channel other(ends->second);
  std::vector<std::byte> const large(1 << 20, std::byte{7});
  std::thread sender([&] {
    CHECK(one.send(control_type::beat));
    CHECK(one.send(control_type::status_answer, large));
    CHECK(one.send(control_type::ready));
  });
  auto const frames = wait_for_frames(other, 3);
  sender.join();
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].type == control_type::beat);
  CHECK(std::ranges::equal(frames[1].body, large));
  CHECK(frames[2].type == control_type::ready);
}

TEST_CASE("a closed control channel is an error, after what came before it") {
  auto ends = control_channel::make_pair();
  REQUIRE(ends);
  control_channel one(ends->first);
  {
    control_channel other(ends->second);
    CHECK(other.send(control_type::beat));
  }
  CHECK(wait_for_frames(one, 1).size() == 1);
  CHECK_FALSE(one.receive());
}

TEST_CASE("a control frame of an impossible length is refused") {
  auto ends = control_channel::make_pair();
  REQUIRE(ends);
  control_channel one(ends->first);
  unsigned char const frame[] = {0xFF, 0xFF, 0xFF, 0xFF, 1, 0};
  REQUIRE(write(ends->second, frame, sizeof frame) == sizeof frame);
  auto const outcome = one.receive();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.failure().code == errc::too_large);
  close(ends->second);
}

TEST_CASE("descriptors arrive with their own frame, and are closed with it") {
  auto ends = control_channel::make_pair();
  REQUIRE(ends);
  control_channel one(ends->first);
  control_channel other(ends->second);
  int pipes[2][2];
  for (auto& pair : pipes) REQUIRE(pipe2(pair, O_CLOEXEC) == 0);
  std::array const first{pipes[0][0]};
  std::array const second{pipes[1][0], pipes[1][1]};
  std::vector<std::byte> const large(100'000, std::byte{7});
  std::thread sender([&] {
    CHECK(one.send(control_type::beat));
    CHECK(one.send(control_type::group_seat, large, first));
    CHECK(one.send(control_type::beat));
    CHECK(one.send(control_type::group_seat, {}, second));
  });
  auto const inode = [](int descriptor) {
    struct stat status{};
    REQUIRE(fstat(descriptor, &status) == 0);
    return status.st_ino;
  };
  {
    auto const frames = wait_for_frames(other, 4);
    sender.join();
    REQUIRE(frames.size() == 4);
    CHECK(frames[0].descriptors.empty());
    REQUIRE(frames[1].descriptors.size() == 1);
    CHECK(inode(frames[1].descriptors[0].get()) == inode(pipes[0][0]));
    CHECK(frames[2].descriptors.empty());
    REQUIRE(frames[3].descriptors.size() == 2);
    CHECK(inode(frames[3].descriptors[0].get()) == inode(pipes[1][0]));
    CHECK((fcntl(frames[3].descriptors[1].get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  // Nobody else holds the reading end now.
  close(pipes[0][0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK(write(pipes[0][1], "x", 1) == -1);
  close(pipes[0][1]);
  for (int const end : pipes[1]) close(end);
}

TEST_CASE("more descriptors than a frame takes are refused, and none is sent") {
  auto ends = control_channel::make_pair();
  REQUIRE(ends);
  control_channel one(ends->first);
  std::vector<int> const many(65, ends->first);
  CHECK(one.send(control_type::group_seat, {}, many).failure().code == errc::invalid_request);
}
