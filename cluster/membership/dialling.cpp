#include "cluster/membership/dialling.hpp"

namespace mayfly::cluster {
namespace {

constexpr messages::role_set bit(messages::role role) noexcept {
  return static_cast<messages::role_set>(role);
}

constexpr auto working = bit(messages::role::worker) | bit(messages::role::shard);
/// Who has to do with a shard: its reports and its leases.
constexpr auto keepers = bit(messages::role::retention) | bit(messages::role::operations);
constexpr auto others = bit(messages::role::gateway) | bit(messages::role::scheduler) |
                        bit(messages::role::retention) | bit(messages::role::operations);

} // namespace

bool only_works(messages::role_set roles) noexcept { return (roles & working) != 0 && (roles & others) == 0; }

bool takes_part(messages::role_set roles) noexcept { return (roles & (working | others)) != 0; }

bool dials(messages::member const& self, messages::member const& other) noexcept {
  if (self.node == other.node || other.endpoint.empty()) return false;
  if (!takes_part(self.roles) || !takes_part(other.roles) || only_works(self.roles)) return false;
  if (other.roles == bit(messages::role::shard)) return (self.roles & keepers) != 0;
  return only_works(other.roles) || self.node < other.node;
}

} // namespace mayfly::cluster
