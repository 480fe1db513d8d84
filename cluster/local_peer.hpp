#pragma once
// The own process as a peer: what is sent to it goes straight to the roles here.
#include "cluster/router.hpp"

namespace mayfly::cluster {

/// Hands messages over as they are, nothing encoded; their sender is this peer itself. The router must
/// outlive it. Make it with std::make_shared.
class local_peer final : public peer, public std::enable_shared_from_this<local_peer> {
public:
  local_peer(router const& routes, messages::member const& self) noexcept
      : peer(self.node, self.roles, self.public_key), routes_(routes) {}
  void deliver(parcel message) const override { routes_.deliver(shared_from_this(), message); }

private:
  router const& routes_;
};

} // namespace mayfly::cluster
