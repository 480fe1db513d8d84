#include "gpu/model/shard.hpp"

namespace mayfly::gpu {
namespace {

/// The `index`th of `parts` parts of [0, count), their sizes differing by one at most.
range part_of(std::uint64_t count, std::uint64_t index, std::uint64_t parts) {
  return {count * index / parts, count * (index + 1) / parts};
}

/// With more ranks than KV heads every KV head has several ranks, which share out its query heads.
result<shard_plan> split_heads(hyper_parameters const& p, std::uint32_t rank, std::uint32_t ranks) {
  shard_plan plan;
  std::uint64_t const group = p.heads / p.kv_heads;
  if (ranks <= p.kv_heads) {
    plan.kv_heads = part_of(p.kv_heads, rank, ranks);
    plan.heads = {plan.kv_heads.begin * group, plan.kv_heads.end * group};
    return plan;
  }
  std::uint64_t const shared = std::uint64_t{rank} * p.kv_heads / ranks;
  auto const first_rank = (shared * ranks + p.kv_heads - 1) / p.kv_heads;
  auto const end_rank = ((shared + 1) * ranks + p.kv_heads - 1) / p.kv_heads;
  if (end_rank - first_rank > group)
    return error{errc::unsupported, "more ranks than query heads (heads)",
                 static_cast<std::int64_t>(p.heads)};
  auto const own = part_of(group, rank - first_rank, end_rank - first_rank);
  plan.kv_heads = {shared, shared + 1};
  plan.heads = {shared * group + own.begin, shared * group + own.end};
  return plan;
}

} // namespace

result<shard_plan> plan_shard(hyper_parameters const& p, std::uint32_t rank, std::uint32_t ranks,
                              std::uint32_t hidden_granule) {
  auto plan = split_heads(p, rank, ranks);
  if (!plan) return plan;
  auto const units = p.hidden / hidden_granule;
  if (p.hidden % hidden_granule != 0 || units < ranks)
    return error{errc::unsupported, "more ranks than blocks of hidden units (blocks)", units};
  if (p.vocabulary < ranks) return error{errc::unsupported, "more ranks than tokens (tokens)", p.vocabulary};
  auto const hidden = part_of(units, rank, ranks);
  plan->hidden = {hidden.begin * hidden_granule, hidden.end * hidden_granule};
  plan->vocabulary = part_of(p.vocabulary, rank, ranks);
  return plan;
}

std::vector<std::size_t> vocabulary_widths(std::uint32_t vocabulary, std::uint32_t ranks) {
  std::vector<std::size_t> widths;
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    widths.push_back(part_of(vocabulary, rank, ranks).size());
  return widths;
}

} // namespace mayfly::gpu
