#pragma once
// Which processors a process keeps to. Ranks wait for each other at every sum, and yield while they do: two
// that a kernel once put on one processor would stay there, each the reason for the other's wait.
#include <cstdint>
#include <span>
#include <vector>

namespace mayfly::node {

/// Those that this process may run on (sched_getaffinity), in order. Empty where the system does not say.
std::vector<unsigned> allowed_processors();

/// The share of process `place` among `places` that compute: neighbours, as many for each as they can be.
/// Empty, any processor, where the shares would be smaller than `threads` each.
std::vector<unsigned> share_of_processors(std::span<unsigned const> allowed, std::uint32_t place,
                                          std::uint32_t places, unsigned threads);

/// From now on this thread, and those that it starts, run on these alone. None: nothing changes. A system
/// that refuses leaves all as it was.
void keep_to(std::span<unsigned const> processors) noexcept;

} // namespace mayfly::node
