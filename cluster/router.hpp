#pragma once
// Hands what arrives to the roles of this process.
#include "cluster/peer.hpp"
#include "protocol/base/result.hpp"

#include <caf/send.hpp>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

namespace mayfly::wire {
struct envelope_view;
} // namespace mayfly::wire

namespace mayfly::cluster {

/// A table from message kind to the local actors that take it. Filled before the node starts, constant after:
/// then every member function is thread-safe.
class router {
public:
  /// Messages of kind M go to `actor` as received<M>. Several actors may take one kind.
  template <message M, class Handle>
  void route(Handle actor) {
    takers_[messages::kind_of<M>::number].push_back([actor](peer_ref const& from, parcel const& arrived) {
      caf::anon_send(actor, received<M>{from, arrived.as<M>()});
    });
  }

  /// From a role of this process.
  void deliver(peer_ref const& from, parcel const& arrived) const;

  /// From a link: one whole envelope. Errors: malformed and its kin (drop the link), unsupported (an unknown
  /// kind, or one that no role here takes: ignore it), content_not_marked, version_mismatch.
  result<void> deliver(peer_ref const& from, std::span<std::byte const> envelope) const;
  /// The same for one that was opened already.
  result<void> deliver(peer_ref const& from, wire::envelope_view const& opened) const;

private:
  using taker = std::function<void(peer_ref const&, parcel const&)>;

  std::unordered_map<std::uint16_t, std::vector<taker>> takers_;
};

} // namespace mayfly::cluster
