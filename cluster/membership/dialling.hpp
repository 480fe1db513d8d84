#pragma once
// Who dials whom, so that every two nodes that need a link get one, and one only. Pure.
#include "protocol/messages/link.hpp"

namespace mayfly::cluster {

/// True for a node that does nothing but work: it connects nowhere.
bool only_works(messages::role_set roles) noexcept;

/// True for a node that has a part in requests (a supervisor has none).
bool takes_part(messages::role_set roles) noexcept;

/// Whether `self` dials `other`: every other node dials every worker, retention and operations every shard;
/// among those that are no mere workers the one with the smaller id dials.
bool dials(messages::member const& self, messages::member const& other) noexcept;

} // namespace mayfly::cluster
