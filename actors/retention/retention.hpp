#pragma once
// The retention actor: a lease on every request's content, and its signed deletion receipt.
#include "actors/actors.hpp"
#include "actors/retention/receipt_store.hpp"
#include "cluster/router.hpp"
#include "protocol/base/ephemeral.hpp"

#include <caf/actor_system.hpp>

namespace mayfly::actors {

struct retention_options {
  node_id self;
  std::shared_ptr<receipt_store> store;
  ephemeral_bytes receipt_seed;          ///< Ed25519, 32 bytes
  ephemeral_bytes pseudonym_key;         ///< 32 bytes
  std::chrono::milliseconds grace{2000}; ///< from a lease's deadline to its unconfirmed receipt
  deadline (*now)() = &boot_clock::now;
};

/// Reads the store: leases that an earlier run left open are taken over. Errors: malformed (a key's length),
/// and those of the store.
result<retention_actor> spawn_retention(caf::actor_system& system, retention_options options);

void register_routes(cluster::router& routes, retention_actor const& retention);

} // namespace mayfly::actors
