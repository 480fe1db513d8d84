#pragma once
// The peers that an actor may speak to now, by role.
#include "cluster/peer.hpp"

#include <algorithm>
#include <vector>

namespace mayfly::actors {

/// Fed by peer_joined and peer_left. A handful of peers: linear search is the fastest.
class peer_table {
public:
  void joined(cluster::peer_ref peer) {
    left(peer->node());
    peers_.push_back(std::move(peer));
  }
  /// True if it was there.
  bool left(node_id node) {
    return std::erase_if(peers_, [&](auto const& peer) { return peer->node() == node; }) != 0;
  }

  /// Null if it is not linked.
  cluster::peer_ref find(node_id node) const {
    auto const place =
        std::find_if(peers_.begin(), peers_.end(), [&](auto const& peer) { return peer->node() == node; });
    return place == peers_.end() ? nullptr : *place;
  }

  /// The `turn`-th peer of a role, counted round and round; null if there is none.
  cluster::peer_ref any(messages::role role, std::size_t turn = 0) const {
    std::size_t const count = this->count(role);
    if (count == 0) return nullptr;
    turn %= count;
    for (auto const& peer : peers_)
      if (messages::has_role(peer->roles(), role) && turn-- == 0) return peer;
    return nullptr;
  }

  std::size_t count(messages::role role) const {
    return static_cast<std::size_t>(std::count_if(peers_.begin(), peers_.end(), [&](auto const& peer) {
      return messages::has_role(peer->roles(), role);
    }));
  }

  /// Calls `visit(peer_ref const&)` for every peer that has one of `roles`.
  template <class Visitor>
  void for_each(messages::role_set roles, Visitor&& visit) const {
    for (auto const& peer : peers_)
      if ((peer->roles() & roles) != 0) visit(peer);
  }

private:
  std::vector<cluster::peer_ref> peers_;
};

/// The set of some roles.
template <class... Roles>
constexpr messages::role_set roles_of(Roles... roles) noexcept {
  return (static_cast<messages::role_set>(roles) | ...);
}

} // namespace mayfly::actors
