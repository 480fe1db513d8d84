#pragma once
// From the gateway's thread to a session's: a queue that rings.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>

namespace mayfly::actors::http {

/// Wakes one coroutine. Lives on its io_context's thread; only `ring` may be called from others.
class doorbell : public std::enable_shared_from_this<doorbell> {
public:
  explicit doorbell(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void ring();
  /// Returns when it was rung since the last call, or at the time given.
  boost::asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point time);

private:
  boost::asio::steady_timer timer_;
  bool rung_ = false;
};

/// Whatever is put in rings the bell, until `close`: then it is dropped (and content wiped) at once.
template <class T>
class mailbox {
public:
  explicit mailbox(std::shared_ptr<doorbell> bell) : bell_(std::move(bell)) {}

  void put(T item) {
    std::scoped_lock guard(mutex_);
    if (!bell_) return;
    bool const was_empty = items_.empty();
    items_.push_back(std::move(item));
    if (was_empty) bell_->ring();
  }

  bool take(T& into) {
    std::scoped_lock guard(mutex_);
    if (items_.empty()) return false;
    into = std::move(items_.front());
    items_.pop_front();
    return true;
  }

  void close() {
    std::deque<T> dropped;
    std::scoped_lock guard(mutex_);
    dropped.swap(items_);
    bell_.reset();
  }

private:
  std::mutex mutex_;
  std::deque<T> items_;
  std::shared_ptr<doorbell> bell_;
};

} // namespace mayfly::actors::http
