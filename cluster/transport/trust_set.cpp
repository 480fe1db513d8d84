#include "cluster/transport/trust_set.hpp"

#include <algorithm>
#include <iterator>

namespace mayfly::cluster {

std::vector<bytes32> trust_set::list(std::span<bytes32 const> keys) {
  std::lock_guard const lock(mutex_);
  std::set<bytes32> wanted(keys.begin(), keys.end());
  std::vector<bytes32> withdrawn;
  std::ranges::set_difference(listed_, wanted, std::back_inserter(withdrawn));
  revoked_.insert(withdrawn.begin(), withdrawn.end());
  for (auto const& key : wanted) revoked_.erase(key);
  listed_ = std::move(wanted);
  version_.fetch_add(1, std::memory_order_release);
  return withdrawn;
}

void trust_set::vouch(std::vector<messages::member> members) {
  std::lock_guard const lock(mutex_);
  vouched_ = std::move(members);
  version_.fetch_add(1, std::memory_order_release);
}

bool trust_set::lists(bytes32 const& key) const {
  std::lock_guard const lock(mutex_);
  return listed_.contains(key);
}

bool trust_set::revoked(bytes32 const& key) const {
  std::lock_guard const lock(mutex_);
  return revoked_.contains(key);
}

bool trust_set::admits(bytes32 const& key) const {
  std::lock_guard const lock(mutex_);
  if (revoked_.contains(key)) return false;
  return listed_.contains(key) || std::any_of(vouched_.begin(), vouched_.end(),
                                              [&](auto const& one) { return one.public_key == key; });
}

bool trust_set::matches(bytes32 const& key, node_id node, messages::role_set roles) const {
  std::lock_guard const lock(mutex_);
  bool contradicted = false;
  for (auto const& one : vouched_) {
    if (one.public_key == key && one.node == node && one.roles == roles) return true;
    contradicted = contradicted || one.public_key == key || one.node == node;
  }
  return !contradicted;
}

} // namespace mayfly::cluster
