#pragma once
// The judgement of a hello. Pure.
#include "protocol/base/result.hpp"
#include "protocol/messages/link.hpp"

namespace mayfly::cluster {

/// The highest version within both ranges. Errors: version_mismatch (`number`: their newest).
result<std::uint16_t> common_version(messages::hello const& ours, messages::hello const& theirs);

/// Whether `theirs` may follow. `sender`: the node that the envelope names; `expected`: the node that was
/// dialled, or none. Errors: version_mismatch, untrusted (another node than expected, or ourselves),
/// malformed.
result<void> judge_hello(messages::hello const& ours, messages::hello const& theirs, node_id sender,
                         node_id expected);

} // namespace mayfly::cluster
