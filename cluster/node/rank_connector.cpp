#include "cluster/node/rank_connector.hpp"

namespace mayfly::node {
namespace {

constexpr std::chrono::milliseconds connect_patience{3000};

}

rank_connector::rank_connector(rank_sockets sockets)
    : sockets_(std::move(sockets)), thread_([this] { loop(); }) {}

rank_connector::~rank_connector() {
  {
    std::lock_guard const lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void rank_connector::connect(messages::ranks_meet meeting) {
  std::lock_guard const lock(mutex_);
  wanted_.push_back(std::move(meeting));
  wake_.notify_one();
}

std::optional<rank_connection> rank_connector::take() {
  std::lock_guard const lock(mutex_);
  if (done_.empty()) return std::nullopt;
  auto next = std::move(done_.front());
  done_.pop_front();
  return next;
}

void rank_connector::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
    if (stopping_) return;
    auto meeting = std::move(wanted_.front());
    wanted_.pop_front();
    lock.unlock();
    auto seats = sockets_.connect({meeting.model, meeting.epoch, meeting.key.clone()},
                                  boot_clock::now() + connect_patience);
    lock.lock();
    done_.push_back({std::move(meeting), std::move(seats)});
  }
}

} // namespace mayfly::node
