#pragma once
// Groups of ranks as threads of one process.
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <thread>
#include <vector>

namespace mayfly::gpu::testing {

using group = std::vector<std::unique_ptr<collective>>;

inline group shared_memory_group(std::uint32_t ranks, std::size_t slot_floats = 64,
                                 std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  group made;
  auto const first = shared_memory::segment::create(ranks, slot_floats);
  REQUIRE(first.has_value());
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    auto mapped = shared_memory::segment::map(first->descriptor());
    REQUIRE(mapped.has_value());
    auto one = make_shared_memory_collective(std::move(*mapped), {rank, patience, {}});
    REQUIRE(one.has_value());
    made.push_back(std::move(*one));
  }
  return made;
}

/// Runs `work` on every rank at once.
inline void on_each(group const& ranks, std::function<void(collective&)> const& work) {
  std::vector<std::jthread> threads;
  for (auto const& rank : ranks) threads.emplace_back([&] { work(*rank); });
}

} // namespace mayfly::gpu::testing
