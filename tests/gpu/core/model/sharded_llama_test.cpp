// A llama network split over ranks that are threads here: each with a backend of its own and its slices
// alone.
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"
#include "gpu/model/model.hpp"
#include "reference_network.hpp"

#include <catch2/catch.hpp>
#include <numeric>
#include <thread>

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

std::vector<token_id> const tokens{3, 17, 39, 0, 3, 22, 8, 8, 31, 5, 12};

struct rank_result {
  std::vector<float> logits; ///< [tokens][vocabulary]
  std::size_t weight_bytes = 0;
  error failure{errc::ok, "", 0};
};

/// What one rank does: loads its part, then runs all tokens in chunks of four.
void run_rank(std::vector<std::byte> const& bytes, collective* group, std::uint32_t rank, std::uint32_t ranks,
              rank_result& out) {
  auto const file = gguf_file::parse(bytes);
  auto const device = make_cpu_backend({1, instruction_set::best});
  auto network = load_model(*file, **device, {4, 4}, {rank, ranks, group});
  if (!network) {
    out.failure = network.failure();
    return;
  }
  auto const& p = (*network)->parameters();
  out.weight_bytes = (*network)->weight_bytes();
  auto kv = (*device)->create_kv_memory(kv_shape_of(p, 3, 4, (*network)->kv_heads()));
  std::vector<std::uint32_t> const blocks{2, 0, 1};
  for (std::uint32_t first = 0; first < tokens.size(); first += 4) {
    auto const count = std::min<std::uint32_t>(4, static_cast<std::uint32_t>(tokens.size()) - first);
    std::vector<std::uint32_t> rows(count);
    std::iota(rows.begin(), rows.end(), 0U);
    sequence_span const span{0, count, first, blocks};
    auto const* address =
        (*network)->forward({std::span(tokens).subspan(first, count), {&span, 1}, rows}, **kv);
    if (rank != 0) {
      if (address != nullptr) out.failure = error{errc::backend_failed, "logits beside the first rank", 0};
      continue;
    }
    auto const at = out.logits.size();
    out.logits.resize(at + std::size_t{count} * p.vocabulary);
    (*device)->download(address, std::span(out.logits).subspan(at));
    if (!(*device)->synchronize()) out.failure = error{errc::backend_failed, "", 0};
  }
  (*network)->wipe_activations();
}

std::vector<rank_result> run_split(std::vector<std::byte> const& bytes, std::uint32_t ranks) {
  auto const memory = shared_memory::segment::create(ranks, 64);
  REQUIRE(memory.has_value());
  std::vector<rank_result> results(ranks);
  std::vector<std::unique_ptr<collective>> groups;
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    groups.push_back(std::move(
        *make_shared_memory_collective(std::move(*shared_memory::segment::map(memory->descriptor())),
                                       {rank, std::chrono::seconds(20), {}})));
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] { run_rank(bytes, groups[rank].get(), rank, ranks, results[rank]); });
  }
  return results;
}

} // namespace

TEST_CASE("ranks compute together what one computes alone, run to run the same bits") {
  auto const shape =
      GENERATE(reference_shape{}, reference_shape{.tied = true}, reference_shape{.heads = 6, .kv_heads = 6},
               reference_shape{.heads = 9, .kv_heads = 3},
               reference_shape{.heads = 8, .kv_heads = 2, .rope_factors = true});
  auto const ranks = GENERATE(1U, 2U, 3U, 4U);
  CAPTURE(shape.heads, shape.kv_heads, ranks);
  reference_network const reference(shape);
  auto const bytes = reference.file().bytes();
  auto const results = run_split(bytes, ranks);
  for (auto const& each : results) REQUIRE(each.failure.code == errc::ok);
  CHECK(run_split(bytes, ranks)[0].logits == results[0].logits); // run to run
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    auto const exact = reference.logits(std::span(tokens).first(row + 1));
    for (std::size_t token = 0; token < shape.vocabulary; ++token) {
      CAPTURE(row, token);
      CHECK(static_cast<double>(results[0].logits[row * shape.vocabulary + token]) ==
            Approx(exact[token]).margin(0.02));
    }
  }
}

TEST_CASE("a rank loads its slices alone") {
  reference_shape const shape{
      .width = 64, .hidden = 256, .heads = 8, .kv_heads = 4, .head_dim = 16, .vocabulary = 256};
  auto const bytes = reference_network(shape).file().bytes();
  auto const whole = run_split(bytes, 1)[0].weight_bytes;
  for (auto const& each : run_split(bytes, 4))
    CHECK(static_cast<double>(each.weight_bytes) < 0.3 * static_cast<double>(whole));
}

TEST_CASE("what cannot be split is refused") {
  hyper_parameters p;
  p.heads = 4;
  p.kv_heads = 2;
  p.hidden = 48;
  p.vocabulary = 40;
  CHECK(plan_shard(p, 0, 4, 1).has_value());
  CHECK(plan_shard(p, 0, 5, 1).failure().code == errc::unsupported);  // heads
  CHECK(plan_shard(p, 0, 2, 32).failure().code == errc::unsupported); // one whole block and a half
  p.hidden = 64;
  CHECK(plan_shard(p, 0, 3, 32).failure().number == 2);
  p.vocabulary = 1;
  CHECK(plan_shard(p, 0, 2, 1).failure().code == errc::unsupported);
}

TEST_CASE("the parts of all ranks make the whole, each query head once") {
  hyper_parameters p;
  p.heads = 9;
  p.kv_heads = 3;
  p.hidden = 1536;
  p.vocabulary = 49152;
  for (std::uint32_t ranks = 1; ranks <= 9; ++ranks) {
    std::uint64_t heads = 0, hidden = 0, vocabulary = 0;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      CAPTURE(rank, ranks);
      auto const plan = plan_shard(p, rank, ranks, 32);
      REQUIRE(plan.has_value());
      CHECK(plan->heads.begin == heads);
      CHECK(plan->hidden.begin == hidden);
      CHECK(plan->vocabulary.begin == vocabulary);
      CHECK(plan->heads.begin / 3 == plan->kv_heads.begin);
      CHECK((plan->heads.end - 1) / 3 == plan->kv_heads.end - 1);
      heads = plan->heads.end, hidden = plan->hidden.end, vocabulary = plan->vocabulary.end;
    }
    CHECK(heads == 9);
    CHECK(hidden == 1536);
    CHECK(vocabulary == 49152);
  }
}
