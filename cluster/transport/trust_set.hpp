#pragma once
// Whose links are accepted. Thread-safe; replaceable at run time.
#include "protocol/messages/link.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <span>
#include <vector>

namespace mayfly::cluster {

using messages::bytes32;

/// Two sources of trust: keys that the operator (or the node's supervisor) lists, and members that a listed
/// supervisor or seed vouches for. A key that leaves the list is revoked, whoever vouches for it, until it is
/// listed again.
class trust_set {
public:
  /// Replaces the list. Keys that it held and holds no more are revoked, and returned.
  std::vector<bytes32> list(std::span<bytes32 const> keys);
  /// Replaces the members that are vouched for.
  void vouch(std::vector<messages::member> members);

  bool lists(bytes32 const& key) const;
  bool revoked(bytes32 const& key) const;
  /// May this key open a link to us? Listed or vouched for, and not revoked.
  bool admits(bytes32 const& key) const;
  /// False if members are known that contradict: this key belongs to another node, or this node to another
  /// key, or its roles are others. What nobody vouches for matches.
  bool matches(bytes32 const& key, node_id node, messages::role_set roles) const;

  /// Grows with every change.
  std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

private:
  mutable std::mutex mutex_;
  std::set<bytes32> listed_;
  std::set<bytes32> revoked_;
  std::vector<messages::member> vouched_;
  std::atomic<std::uint64_t> version_{0};
};

} // namespace mayfly::cluster
