#pragma once
// The node's one timer: CAF's delayed messages cannot be cancelled, so a thread of our own beats.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace mayfly::node {

/// Calls `beat` every `interval` on a thread of its own, until destroyed.
class tick_source {
public:
  tick_source(std::chrono::milliseconds interval, std::function<void()> beat)
      : thread_([interval, beat = std::move(beat)](std::stop_token const& stopping) {
          std::mutex mutex;
          std::condition_variable_any pause;
          std::unique_lock lock(mutex);
          auto next = std::chrono::steady_clock::now();
          while (!stopping.stop_requested()) {
            beat();
            next += interval;
            pause.wait_until(lock, stopping, next, [] { return false; });
          }
        }) {}

private:
  std::jthread thread_;
};

} // namespace mayfly::node
