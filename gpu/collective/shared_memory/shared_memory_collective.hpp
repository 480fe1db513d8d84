#pragma once
// The collective of ranks on one host. Each rank copies its share into a slot of its own, says so, waits for
// the others, and adds all up in the order of ranks; of large sums each adds up a part, and they share the
// parts. Two slots in turn make one wait an operation enough: whoever posts the next share has read the last
// ones. A wait spins, gives its processor to others that run, then sleeps in the kernel; ranks that ended are
// seen by their process descriptors, ranks that hang by the deadline.
#include "gpu/collective/collective.hpp"
#include "gpu/collective/shared_memory/segment.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace mayfly::gpu {

struct shared_memory_options {
  std::uint32_t rank = 0;
  std::chrono::milliseconds patience{2000}; ///< for the others' shares in one operation
  /// pidfd_open's descriptors of the other ranks' processes by rank, -1 for this one and for unknown ones.
  /// Closed with the collective.
  std::vector<int> processes;
};

/// Errors: invalid_request (no such rank).
result<std::unique_ptr<collective>> make_shared_memory_collective(shared_memory::segment memory,
                                                                  shared_memory_options options);

} // namespace mayfly::gpu
