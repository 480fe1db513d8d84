#pragma once
// From the descriptors of a rank's place to what the rank works with.
#include "actors/worker/group_offer.hpp"
#include "cluster/node/control_channel.hpp"

namespace mayfly::node {

/// Errors: malformed (descriptors that do not fit the place), io, and those of the collective and the
/// channels.
result<actors::group_offer> wire_group(group_seat const& seat, std::vector<owned_descriptor> descriptors);

} // namespace mayfly::node
