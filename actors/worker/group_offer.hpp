#pragma once
// What a rank is given when its group is formed: the way to the others, for one epoch. Its node makes it from
// the descriptors that the supervisor handed over.
#include "gpu/collective/collective.hpp"
#include "protocol/base/ids.hpp"
#include "protocol/base/name.hpp"
#include "protocol/base/secure_channel.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace mayfly::actors {

struct group_offer {
  name model;
  std::uint64_t epoch = 0;    ///< grows with every group that is formed
  std::vector<node_id> nodes; ///< by rank
  std::unique_ptr<gpu::collective> collective;
  name carrier; ///< of the collective: "shared_memory", "tcp", ...
  /// At rank 0 to the ranks 1, 2, ... in order; at the others one, to rank 0.
  std::vector<std::unique_ptr<secure_channel>> channels;
};

/// The carrier's name where ranks meet on their devices; what the offer brought is not used then.
inline name nccl_carrier() { return *name::parse("nccl"); }

/// A rank asks its node for a place in a group of a later epoch than `after`; with why that one could not be
/// formed, where it was rank 0 that found it so. Thread-safe.
using want_group =
    std::function<void(name const& model, std::uint64_t after, std::optional<error> const& why)>;

/// Within which a rank that is silent when it must speak is lost.
inline constexpr std::chrono::milliseconds rank_patience{1500};

} // namespace mayfly::actors
