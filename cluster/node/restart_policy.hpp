#pragma once
#include <algorithm>
#include <chrono>

namespace mayfly::node {

/// When a child that ended starts again: at once after it ran for ten seconds, else after a pause that
/// doubles from 100 ms to 10 s.
class restart_policy {
public:
  std::chrono::milliseconds next_pause(std::chrono::milliseconds ran_for) noexcept {
    using namespace std::chrono_literals;
    if (ran_for >= 10s) pause_ = 0ms;
    auto const pause = pause_;
    pause_ = std::clamp<std::chrono::milliseconds>(pause_ * 2, 100ms, 10s);
    return pause;
  }

private:
  std::chrono::milliseconds pause_{0};
};

} // namespace mayfly::node
