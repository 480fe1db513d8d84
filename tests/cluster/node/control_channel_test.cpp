#include "cluster/node/control_channel.hpp"

#include <catch2/catch.hpp>
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
  CHECK(frames[1].body == large);
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
  unsigned char const frame[] = {0xFF, 0xFF, 0xFF, 0xFF, 1};
  REQUIRE(write(ends->second, frame, sizeof frame) == sizeof frame);
  auto const outcome = one.receive();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.failure().code == errc::too_large);
  close(ends->second);
}
