#include "gpu/collective/nccl/nccl_collective.hpp"

#include "gpu/collective/nccl/communicator.hpp"
#include "gpu/collective/nccl/used_sizes.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

namespace mayfly::gpu {
namespace {

using nccl::functions;
using nccl::raw_communicator;
using nccl::status;

/// NCCL's buffers are rings of so many steps: the next operation continues where the last one ended.
constexpr int ring_steps = 8;
constexpr std::chrono::milliseconds glance{1}; // while the first operations connect
constexpr std::size_t rows_at_once = 32;       // of a gathering: a call for each row and rank

/// The first failure of a group of calls.
class grouped_calls {
public:
  explicit grouped_calls(functions const& api) : api_(api), said_(api.group_start()) {}
  void add(status said) noexcept {
    if (said_ == status::success && said != status::in_progress) said_ = said;
  }
  status end() noexcept {
    auto const said = api_.group_end();
    return said_ == status::success ? said : said_;
  }

private:
  functions const& api_;
  status said_;
};

class nccl_collective final : public collective {
public:
  nccl_collective(std::unique_ptr<nccl::communicator> group, nccl_options options)
      : options_(std::move(options)), group_(std::move(group)), gathered_(options_.size) {}

  /// NCCL connects with the first operations: zeros go every way that sums and rows will go.
  result<void> connect() {
    sum(options_.zeros.data(), 1);
    for (std::uint32_t from = 0; from < size(); ++from) send_zeros(from, 1);
    while (group_->is_busy() && !group_->has_failed()) {
      if (options_.given_up && options_.given_up()) {
        group_->abort();
        return error{errc::cancelled, "a group was given up while it formed", 0};
      }
      std::this_thread::sleep_for(glance);
    }
    if (group_->has_failed()) return error{errc::backend_failed, "ranks of a group did not connect", 0};
    group_->connected();
    return {};
  }

  std::uint32_t rank() const noexcept override { return options_.rank; }
  std::uint32_t size() const noexcept override { return options_.size; }

  void all_reduce(float* data, std::size_t count) override {
    for_pieces(count, [&](std::size_t begin, std::size_t part) {
      summed_.note(part);
      sum(data + begin, part);
    });
  }

  void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                      float* out) override {
    for (std::size_t row = 0; row < rows; row += rows_at_once)
      group_->enqueue([&](functions const& api, raw_communicator raw) {
        grouped_calls calls(api);
        for (auto each = row; each < std::min(rows, row + rows_at_once); ++each) {
          send_row(calls, {api, raw}, own + each * widths[rank()], widths[rank()]);
          if (rank() == 0) receive_row(calls, {api, raw}, widths, out, each);
        }
        return calls.end();
      });
  }

  collective_state poll() noexcept override {
    bool const busy = group_->is_busy();
    if (group_->has_failed()) return collective_state::failed;
    return busy ? collective_state::in_progress : collective_state::ok;
  }

  result<void> failure() const noexcept override {
    if (!group_->has_failed()) return {};
    return error{errc::worker_lost, "a rank of the group is lost (rank; -1: unknown)",
                 aborted_ ? static_cast<std::int64_t>(rank()) : -1};
  }

  void abort() noexcept override {
    if (!group_->has_failed()) aborted_ = true;
    group_->abort();
  }

  void scrub() override {
    summed_.for_each([&](std::size_t count) {
      for (int step = 0; step < ring_steps; ++step) sum(options_.zeros.data(), count);
    });
    for (std::uint32_t from = 0; from < size(); ++from)
      gathered_[from].for_each([&](std::size_t count) {
        for (int step = 0; step < ring_steps; ++step) send_zeros(from, count);
      });
    summed_.clear();
    for (auto& each : gathered_) each.clear();
  }

private:
  struct target {
    functions const& api;
    raw_communicator raw;
  };

  void sum(float* data, std::size_t count) {
    group_->enqueue([&](functions const& api, raw_communicator raw) {
      return api.all_reduce(data, data, count, nccl::float32, nccl::sum, raw, options_.stream.native());
    });
  }

  void send_row(grouped_calls& calls, target to, float const* row, std::size_t width) {
    for_pieces(width, [&](std::size_t begin, std::size_t part) {
      gathered_[rank()].note(part);
      calls.add(to.api.send(row + begin, part, nccl::float32, 0, to.raw, options_.stream.native()));
    });
  }

  void receive_row(grouped_calls& calls, target by, std::span<std::size_t const> widths, float* out,
                   std::size_t row) {
    auto* place = out + row * std::accumulate(widths.begin(), widths.end(), std::size_t{0});
    for (std::uint32_t from = 0; from < size(); ++from) {
      for_pieces(widths[from], [&](std::size_t begin, std::size_t part) {
        gathered_[from].note(part);
        calls.add(by.api.receive(place + begin, part, nccl::float32, static_cast<int>(from), by.raw,
                                 options_.stream.native()));
      });
      place += widths[from];
    }
  }

  /// As a row of `count` columns went from a rank to rank 0. The others have nothing to do.
  void send_zeros(std::uint32_t from, std::size_t count) {
    if (rank() != from && rank() != 0) return;
    group_->enqueue([&](functions const& api, raw_communicator raw) {
      grouped_calls calls(api);
      auto* const zeros = options_.zeros.data();
      if (rank() == from) calls.add(api.send(zeros, count, nccl::float32, 0, raw, options_.stream.native()));
      if (rank() == 0)
        calls.add(api.receive(zeros + largest_piece(), count, nccl::float32, static_cast<int>(from), raw,
                              options_.stream.native()));
      return calls.end();
    });
  }

  std::size_t largest_piece() const noexcept { return options_.zeros.size() / 2; }

  void for_pieces(std::size_t count, auto const& work) const {
    for (std::size_t begin = 0; begin < count; begin += largest_piece())
      work(begin, std::min(largest_piece(), count - begin));
  }

  nccl_options const options_;
  std::unique_ptr<nccl::communicator> group_;
  std::atomic<bool> aborted_{false};
  nccl::used_sizes summed_;
  std::vector<nccl::used_sizes> gathered_; ///< by the rank that sent; a rank but 0 knows its own alone
};

} // namespace

result<std::unique_ptr<collective>> make_nccl_collective(nccl::functions const& api, nccl_options options) {
  if (options.rank >= options.size || options.zeros.size() < 2 || !options.stream.is_idle)
    return error{errc::invalid_request, "no rank of this group, or nothing to scrub it with", options.rank};
  auto group = nccl::communicator::form(api, {static_cast<int>(options.rank), static_cast<int>(options.size),
                                              options.id, options.patience, options.forming, options.stream,
                                              options.given_up, options.on_hang});
  wipe(options.id.bytes.data(), options.id.bytes.size());
  if (!group) return group.failure();
  auto made = std::make_unique<nccl_collective>(std::move(*group), std::move(options));
  if (auto const connected = made->connect(); !connected) return connected.failure();
  return std::unique_ptr<collective>(std::move(made));
}

} // namespace mayfly::gpu
