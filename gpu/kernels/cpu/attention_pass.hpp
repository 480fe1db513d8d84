#pragma once
// Attention of one batch in one layer, cut into what threads can take: bundles of queries, and splits of 256
// positions whose results are merged in order. Who computes which split changes nothing in the sums.
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cpu/kernel_table.hpp"
#include "gpu/kernels/cpu/paged_kv.hpp"

#include <vector>

namespace mayfly::gpu::cpu {

constexpr std::size_t tile_positions = 16;
constexpr std::size_t split_tiles = split_positions / tile_positions;

/// Neighbouring tokens of a sequence and some of the query heads of one KV head: what shares a pass over K
/// and V.
struct bundle {
  sequence_span const* sequence = nullptr;
  std::uint32_t kv_head = 0;
  std::uint32_t first_token = 0; ///< within the sequence's span
  std::uint32_t tokens = 0;
  std::uint32_t first_head = 0; ///< of the query
  std::uint32_t heads = 0;
  std::size_t queries() const noexcept { return std::size_t{tokens} * heads; }
  std::size_t end_position() const noexcept {
    return std::size_t{sequence->first_position} + first_token + tokens;
  }
};

std::vector<bundle> bundle_queries(std::span<sequence_span const> sequences, attention_shape const& shape);

constexpr std::size_t splits_of(std::size_t positions) noexcept {
  return (positions + split_positions - 1) / split_positions;
}

/// One thread's place to work in, carved from its scratch.
class attention_scratch {
public:
  attention_scratch(attention_shape const& shape, kv_shape const& kv) noexcept;
  std::size_t bytes() const noexcept;
  void stand_at(std::byte* memory) noexcept { memory_ = reinterpret_cast<float*>(memory); }
  float* scores() const noexcept { return memory_; }
  float* query(std::size_t index) const noexcept { return vectors() + index * padded_dim_; }
  float* weighted(std::size_t index) const noexcept { return query(most_queries + index); }
  float* merged(std::size_t index) const noexcept { return query(2 * most_queries + index); }
  std::byte* gathered() const noexcept { return reinterpret_cast<std::byte*>(query(3 * most_queries)); }
  std::size_t padded_dim() const noexcept { return padded_dim_; }

private:
  float* vectors() const noexcept { return memory_ + most_queries * split_positions; }

  std::size_t padded_dim_;
  std::size_t gather_bytes_; ///< for K and V that cannot be used in place
  float* memory_ = nullptr;
};

class attention_pass {
public:
  attention_pass(kernel_table const& kernels, float const* q, attention_shape const& shape,
                 paged_kv const& kv, std::uint32_t layer, float* out) noexcept
      : kernels_(kernels), q_(q), shape_(shape), kv_(kv), layer_(layer), out_(out) {}

  /// A bundle whole: its splits one after another.
  void run(bundle const& work, attention_scratch const& scratch) const;
  /// One split of a bundle; `out` holds a partial for each query.
  void run_split(bundle const& work, std::size_t split, attention_scratch const& scratch,
                 attention_partial* out) const;
  /// Adds a later split to `total`, where a query sees it.
  void merge(bundle const& work, std::size_t split, attention_partial* total, attention_partial const* part,
             std::size_t padded_dim) const;
  void finish(bundle const& work, attention_partial const* total) const;

private:
  std::size_t offset_of(bundle const& work, std::size_t query) const noexcept;

  kernel_table const& kernels_;
  float const* q_;
  attention_shape const& shape_;
  paged_kv const& kv_;
  std::uint32_t layer_;
  float* out_;
};

} // namespace mayfly::gpu::cpu
