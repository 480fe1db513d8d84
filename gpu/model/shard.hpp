#pragma once
// The part of a network that one rank of a tensor-parallel group computes (Shoeybi et al., Megatron-LM,
// 2019): queries, keys, values, gate and up by rows, the attention's output and down by columns, embedding
// and vocabulary by tokens. Two sums over the ranks a layer make it whole.
#include "gpu/collective/collective.hpp"
#include "gpu/formats/tensor.hpp"
#include "gpu/model/hyper_parameters.hpp"

#include <vector>

namespace mayfly::gpu {

/// Where a rank stands. Alone it needs no group.
struct shard {
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  collective* group = nullptr; ///< of `ranks`; outlives the model
};

struct shard_plan {
  range heads;      ///< query heads
  range kv_heads;   ///< that they read: shared with other ranks where there are more ranks than KV heads
  range hidden;     ///< of the feed-forward network
  range vocabulary; ///< tokens
};

/// Splits by KV head, as evenly as can be; `hidden` falls on multiples of `hidden_granule` (the block length
/// of the down matrix). Errors: unsupported (a split that leaves a rank without a head, without hidden units
/// or without tokens; `number`: how many ranks could be served).
result<shard_plan> plan_shard(hyper_parameters const& p, std::uint32_t rank, std::uint32_t ranks,
                              std::uint32_t hidden_granule);

/// Tokens of each rank.
std::vector<std::size_t> vocabulary_widths(std::uint32_t vocabulary, std::uint32_t ranks);

} // namespace mayfly::gpu
