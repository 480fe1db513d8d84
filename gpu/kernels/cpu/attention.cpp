#include "gpu/kernels/cpu/attention_pass.hpp"
#include "gpu/kernels/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cassert>

namespace mayfly::gpu::cpu {
namespace {

// Products of numbers: below this, threads are not worth waking.
constexpr std::size_t worth_sharing_products = std::size_t{192} * 1024;

struct pass_size {
  std::size_t products = 0;
  std::size_t splits = 0;  ///< of all bundles
  std::size_t queries = 0; ///< of all bundles, times their splits
};

pass_size size_of(std::span<bundle const> bundles, std::size_t head_dim) {
  pass_size size;
  for (auto const& each : bundles) {
    auto const splits = splits_of(each.end_position());
    size.products += 2 * each.queries() * each.end_position() * head_dim;
    size.splits += splits;
    size.queries += each.queries() * splits;
  }
  return size;
}

/// One split of one bundle, with its place among the stored partials.
struct split_task {
  bundle const* work = nullptr;
  std::size_t split = 0;
  attention_partial* out = nullptr;
};

// The partials stand in front of the vectors that they point to, split by split in the order of the bundles.
std::vector<split_task> plan_splits(std::span<bundle const> bundles, std::size_t queries,
                                    std::size_t padded_dim, std::byte* memory) {
  auto* partial = reinterpret_cast<attention_partial*>(memory);
  auto* vector = reinterpret_cast<float*>(partial + queries);
  std::vector<split_task> tasks;
  for (auto const& each : bundles) {
    for (std::size_t split = 0; split < splits_of(each.end_position()); ++split) {
      tasks.push_back({&each, split, partial});
      for (std::size_t i = 0; i < each.queries(); ++i, ++partial, vector += padded_dim) {
        *partial = {0, 0, vector};
      }
    }
  }
  return tasks;
}

void merge_splits(attention_pass const& pass, std::span<split_task const> tasks, std::size_t padded_dim) {
  attention_partial* total = nullptr;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    auto const& task = tasks[i];
    if (task.split == 0)
      total = task.out;
    else
      pass.merge(*task.work, task.split, total, task.out, padded_dim);
    auto const last = i + 1 == tasks.size() || tasks[i + 1].split == 0;
    if (last) pass.finish(*task.work, total);
  }
}

} // namespace

void cpu_backend::attend(float const* q, std::span<sequence_span const> sequences,
                         attention_shape const& shape, kv_memory const& kv, std::uint32_t layer, float* out) {
  auto const bundles = bundle_queries(sequences, shape);
  attention_scratch const scratch(shape, of(kv).shape());
  attention_pass const pass(kernels_, q, shape, of(kv), layer, out);
  auto* const memory = participant_scratch(scratch.bytes());
  if (memory == nullptr) return;
  auto const scratch_of = [&](std::size_t participant) {
    auto own = scratch;
    own.stand_at(memory + participant * scratch.bytes());
    return own;
  };
  auto const size = size_of(bundles, shape.head_dim);
  auto const alone = size.products < worth_sharing_products;
  if (alone || bundles.size() >= 2 * pool_.size() || size.splits == bundles.size()) {
    pool_.run(bundles.size(), alone ? bundles.size() : 1,
              [&](std::size_t participant, std::size_t begin, std::size_t end) {
                for (auto i = begin; i < end; ++i) pass.run(bundles[i], scratch_of(participant));
              });
    return;
  }
  auto* const partial_memory =
      partials_.reserve(size.queries * (sizeof(attention_partial) + scratch.padded_dim() * sizeof(float)));
  if (partial_memory == nullptr) return fail("no memory for attention over splits");
  auto const tasks = plan_splits(bundles, size.queries, scratch.padded_dim(), partial_memory);
  pool_.run(tasks.size(), 1, [&](std::size_t participant, std::size_t begin, std::size_t end) {
    for (auto i = begin; i < end; ++i) {
      pass.run_split(*tasks[i].work, tasks[i].split, scratch_of(participant), tasks[i].out);
    }
  });
  merge_splits(pass, tasks, scratch.padded_dim());
}

} // namespace mayfly::gpu::cpu
