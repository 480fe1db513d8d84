#include "contract.hpp"

#include "fake_nccl_group.hpp"
#include "plain_channel.hpp"

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

wiring plainly(ends (*connect)()) {
  return [connect](std::uint32_t, std::uint32_t) {
    auto const made = connect();
    return std::make_pair(std::make_unique<plain_channel>(made.first),
                          std::make_unique<plain_channel>(made.second));
  };
}

carrier const& any_carrier() {
  static carrier const all[] = {
      {"shared memory", [](auto ranks, auto patience) { return shared_memory_group(ranks, patience); }},
      {"shared memory, slots for whole sums",
       [](auto ranks, auto patience) { return shared_memory_group(ranks, patience, 40'000); }},
      {"Unix sockets",
       [](auto ranks, auto patience) { return tcp_group(ranks, patience, plainly(unix_ends)); }},
      {"TCP", [](auto ranks, auto patience) { return tcp_group(ranks, patience, plainly(tcp_ends)); }},
      {"NCCL", [](auto ranks, auto patience) { return fake_nccl_group(ranks, patience); },
       knowledge::that_one},
  };
  return all[GENERATE(Catch::Generators::range(0, 5))];
}

enum class fault { none, ranks_differ, columns_swapped, abort_unheard, absence_unseen, failure_forgotten };

/// Keeps the contract but for one promise.
class faulty_collective final : public collective {
public:
  faulty_collective(std::unique_ptr<collective> sound, fault broken)
      : sound_(std::move(sound)), broken_(broken) {}

  std::uint32_t rank() const noexcept override { return sound_->rank(); }
  std::uint32_t size() const noexcept override { return sound_->size(); }
  void all_reduce(float* data, std::size_t count) override {
    sound_->all_reduce(data, count);
    if (broken_ == fault::ranks_differ && rank() == 1) data[0] = std::nextafter(data[0], 1e9F);
  }
  void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                      float* out) override {
    sound_->gather_columns(own, rows, widths, out);
    if (broken_ == fault::columns_swapped && rank() == 0) std::swap(out[0], out[1]);
  }
  collective_state poll() noexcept override {
    return broken_ == fault::absence_unseen ? collective_state::ok : sound_->poll();
  }
  result<void> failure() const noexcept override {
    return broken_ == fault::failure_forgotten ? result<void>() : sound_->failure();
  }
  void abort() noexcept override {
    if (broken_ != fault::abort_unheard) sound_->abort();
  }
  void scrub() override { sound_->scrub(); }

private:
  std::unique_ptr<collective> sound_;
  fault broken_;
};

constexpr std::chrono::milliseconds impatient{2000}; // some faults show by the deadline alone

carrier faulty_carrier(fault broken) {
  return {"faulty", [broken](auto ranks, auto patience) {
            auto made = shared_memory_group(ranks, std::min(patience, impatient));
            for (auto& each : made) each = std::make_unique<faulty_collective>(std::move(each), broken);
            return made;
          }};
}

} // namespace

TEST_CASE("all ranks get the sum in the order of ranks, bit for bit") {
  auto const& by = any_carrier();
  auto const ranks = GENERATE(1U, 2U, 3U, 5U);
  CAPTURE(by.name, ranks);
  CHECK(sums_in_order(by, ranks));
}

TEST_CASE("columns are gathered side by side at rank 0, however wide each rank's are") {
  auto const& by = any_carrier();
  auto const widths =
      GENERATE(values<std::vector<std::size_t>>({{3}, {4, 4}, {5, 0, 2}, {200, 1}, {64, 65, 63}, {1, 400}}));
  auto const rows = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{100});
  CAPTURE(by.name, widths, rows);
  CHECK(gathers_columns(by, widths, rows));
}

TEST_CASE("an aborted group fails everywhere and stays failed") {
  auto const& by = any_carrier();
  CAPTURE(by.name);
  CHECK(aborts_everywhere(by));
  CHECK(shows_abort_to_who_polls(by));
}

TEST_CASE("a rank that does not come is found out by the deadline") {
  auto const& by = any_carrier();
  CAPTURE(by.name);
  CHECK(finds_absent_rank(by));
}

TEST_CASE("a carrier that breaks a promise is found out") {
  auto const broken = GENERATE(fault::none, fault::ranks_differ, fault::columns_swapped, fault::abort_unheard,
                               fault::absence_unseen, fault::failure_forgotten);
  CHECK(keeps_contract(faulty_carrier(broken)) == (broken == fault::none));
}
