#pragma once
// The sockets between the ranks of a group that spans hosts. Each connection begins with 32 bytes that only
// who has the epoch's key can name: they say which two ranks it joins. The ranks themselves then open sealed
// channels over them.
#include "cluster/node/owned_descriptor.hpp"
#include "cluster/node/rank_layout.hpp"
#include "protocol/base/clock.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

namespace mayfly::node {

struct rank_wiring_order {
  name model;
  std::uint64_t epoch = 0;
  ephemeral_bytes key; ///< 32 bytes, the epoch's
};

class rank_sockets {
public:
  /// Listens on the port after that of the own host's endpoint. Errors: io (`number`: errno), configuration
  /// (an endpoint that is not tcp://HOST:PORT).
  static result<rank_sockets> listen(rank_layout layout, std::size_t own_host);

  /// Connects this host's ranks with all others: those of one host by socket pairs, others by TCP, dialled by
  /// the later host. Gives each rank of this host its descriptors as control_channel.hpp's group_seat orders
  /// them: channels of plans, then of sums. Blocks until then. Errors: deadline_exceeded (a host did not
  /// come), io (`number`: errno).
  result<std::vector<std::vector<owned_descriptor>>> connect(rank_wiring_order const& order,
                                                             deadline until) const;

private:
  rank_sockets(rank_layout layout, std::size_t own_host, owned_descriptor listener)
      : layout_(std::move(layout)), own_host_(own_host), listener_(std::move(listener)) {}

  rank_layout layout_;
  std::size_t own_host_;
  owned_descriptor listener_;
};

} // namespace mayfly::node
