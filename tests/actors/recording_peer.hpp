#pragma once
// A peer that keeps what it is sent, for tests of one actor alone.
#include "cluster/peer.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace mayfly::testing {

using namespace std::chrono_literals;
using messages::role;

constexpr messages::role_set only(role which) noexcept { return static_cast<messages::role_set>(which); }

/// Longer than anything takes; reached only where a test fails.
inline constexpr auto patience = 20s;

class recording_peer final : public cluster::peer {
public:
  recording_peer(node_id node, messages::role_set roles) : peer(node, roles) {}

  void deliver(cluster::parcel message) const override {
    std::lock_guard const lock(mutex_);
    parcels_.push_back(std::move(message));
    arrived_.notify_all();
  }

  /// The messages of one kind so far, in their order.
  template <class M>
  std::vector<std::shared_ptr<M const>> all() const {
    std::lock_guard const lock(mutex_);
    return collect<M>();
  }

  /// Waits for the `count`-th message of a kind; null if it never comes.
  template <class M>
  std::shared_ptr<M const> wait(std::size_t count = 1) const {
    std::unique_lock lock(mutex_);
    std::vector<std::shared_ptr<M const>> found;
    arrived_.wait_for(lock, patience, [&] { return (found = collect<M>()).size() >= count; });
    return found.size() >= count ? found[count - 1] : nullptr;
  }

  std::size_t size() const {
    std::lock_guard const lock(mutex_);
    return parcels_.size();
  }

private:
  template <class M>
  std::vector<std::shared_ptr<M const>> collect() const {
    std::vector<std::shared_ptr<M const>> found;
    for (auto const& each : parcels_)
      if (each.kind() == messages::kind_of<M>::number) found.push_back(each.template as<M>());
    return found;
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  mutable std::vector<cluster::parcel> parcels_;
};

inline std::shared_ptr<recording_peer> make_peer(std::uint64_t node, messages::role_set roles) {
  return std::make_shared<recording_peer>(node_id{node}, roles);
}

inline cluster::peer_joined joined(cluster::peer_ref const& peer) {
  messages::member member;
  member.node = peer->node();
  member.roles = peer->roles();
  return {peer, member};
}

/// Tries until it holds; false if it never does.
template <class Condition>
bool eventually(Condition&& condition) {
  auto const until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace mayfly::testing
