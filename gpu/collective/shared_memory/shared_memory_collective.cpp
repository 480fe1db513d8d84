#include "gpu/collective/shared_memory/shared_memory_collective.hpp"

#include "gpu/collective/summation.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <numeric>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mayfly::gpu {
namespace {

using shared_memory::control_block;
using shared_memory::rank_line;
using clock = std::chrono::steady_clock;

constexpr std::size_t divided_floats = std::size_t{16} << 10; // above which one more wait costs less
constexpr int spins = 500;
constexpr std::chrono::microseconds yielding{200}; // to ranks that share this processor, before sleeping
constexpr std::chrono::milliseconds nap{5};        // between looks at the deadline and at the other processes

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  timespec const time{0, std::chrono::nanoseconds(nap).count()};
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT, value, &time, nullptr, 0);
}

void wake_all(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

class shared_memory_collective final : public collective {
public:
  shared_memory_collective(shared_memory::segment memory, shared_memory_options options)
      : memory_(std::move(memory)), control_(memory_.control()), options_(std::move(options)) {}
  ~shared_memory_collective() override {
    wipe_own();
    if (poll() == collective_state::failed) wipe_ended();
    for (int const process : options_.processes)
      if (process >= 0) ::close(process);
  }

  std::uint32_t rank() const noexcept override { return options_.rank; }
  std::uint32_t size() const noexcept override { return control_.ranks; }

  void all_reduce(float* data, std::size_t count) override {
    auto const most = static_cast<std::size_t>(control_.slot_floats);
    for (std::size_t begin = 0; begin < count; begin += most) {
      auto const part = std::min(most, count - begin);
      if (part >= divided_floats ? !sum_divided({data + begin, part}) : !sum_whole({data + begin, part}))
        return;
    }
  }

  void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                      float* out) override {
    auto const widest = *std::max_element(widths.begin(), widths.end());
    auto const whole = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
    auto const most = static_cast<std::size_t>(control_.slot_floats);
    auto const part = std::min(widest, most); // of a row
    auto const rows_at_once = std::max<std::size_t>(1, most / std::max<std::size_t>(part, 1));
    for (std::size_t row = 0; row < rows; row += rows_at_once) {
      auto const count = std::min(rows_at_once, rows - row);
      for (std::size_t column = 0; column < widest; column += part)
        if (!gather_part({own, widths, out, whole}, {row, row + count}, {column, column + part})) return;
    }
  }

  collective_state poll() noexcept override {
    return control_.aborted_by.load(std::memory_order_acquire) != 0 ? collective_state::failed
                                                                    : collective_state::ok;
  }

  result<void> failure() const noexcept override {
    auto const by = control_.aborted_by.load(std::memory_order_acquire);
    if (by == 0) return {};
    return error{errc::worker_lost, "a rank of the group is lost (rank)", by - 1};
  }

  void abort() noexcept override { fail(options_.rank); }

  void scrub() override {
    if (share({})) wipe_own(); // everybody has read what was posted before
  }

private:
  struct gathering {
    float const* own;
    std::span<std::size_t const> widths;
    float* out;
    std::size_t whole;
  };
  struct bounds {
    std::size_t begin, end;
  };

  /// Every rank adds all of it up.
  bool sum_whole(std::span<float> data) {
    if (!share(data)) return false;
    add_up(data, {0, data.size()});
    return true;
  }

  /// Every rank adds one part up and gets the others' sums: less to add and to copy, for one more wait.
  bool sum_divided(std::span<float> data) {
    if (poll() == collective_state::failed) return false;
    auto const mine = part_of(options_.rank, data.size());
    ++operations_;
    put(data.first(mine.begin), 0);
    put(data.subspan(mine.end), mine.end);
    if (!post()) return false;
    add_up(data, mine);
    ++operations_;
    put(data.subspan(mine.begin, mine.end - mine.begin), mine.begin);
    if (!post()) return false;
    for (std::uint32_t from = 0; from < size(); ++from) {
      auto const theirs = part_of(from, data.size());
      if (from != options_.rank)
        std::memcpy(data.data() + theirs.begin, slot(from).data() + theirs.begin,
                    (theirs.end - theirs.begin) * sizeof(float));
    }
    return true;
  }

  /// Whole cache lines, so that no two ranks write into one.
  bounds part_of(std::uint32_t of, std::size_t count) const noexcept {
    auto const edge = [&](std::size_t rank) {
      return rank == size() ? count : count * rank / size() / 16 * 16;
    };
    return {edge(of), edge(of + 1)};
  }

  /// Puts `part` into this rank's next slot and waits for the others' shares. False: the group has failed.
  bool share(std::span<float const> part) {
    if (poll() == collective_state::failed) return false;
    ++operations_;
    put(part, 0);
    return post();
  }

  void put(std::span<float const> part, std::size_t at) {
    if (part.empty()) return;
    auto& used = used_[operations_ % 2];
    used = std::max(used, at + part.size());
    std::memcpy(slot(options_.rank).data() + at, part.data(), part.size_bytes());
  }

  bool post() {
    auto& own = control_.lines[options_.rank];
    own.posted.store(operations_, std::memory_order_seq_cst);
    if (own.sleepers.load(std::memory_order_seq_cst) != 0) wake_all(own.posted);
    auto const until = clock::now() + options_.patience;
    for (std::uint32_t other = 0; other < size(); ++other)
      if (other != options_.rank && !await(other, until)) return false;
    return true;
  }

  bool has_posted(rank_line const& line) const noexcept {
    return static_cast<std::int32_t>(line.posted.load(std::memory_order_acquire) - operations_) >= 0;
  }

  bool await(std::uint32_t other, clock::time_point until) {
    auto& line = control_.lines[other];
    for (int spin = 0; spin < spins; ++spin) {
      if (has_posted(line)) return true;
      pause();
    }
    for (auto const spun = clock::now(); clock::now() - spun < yielding; ::sched_yield())
      if (has_posted(line)) return true;
    while (!has_posted(line)) {
      if (poll() == collective_state::failed) return false;
      if (has_ended(other) || clock::now() >= until) {
        if (has_posted(line)) return true; // its last share came first
        fail(other);
        return false;
      }
      line.sleepers.fetch_add(1, std::memory_order_seq_cst);
      auto const seen = line.posted.load(std::memory_order_seq_cst);
      if (static_cast<std::int32_t>(seen - operations_) < 0) sleep_while(line.posted, seen);
      line.sleepers.fetch_sub(1, std::memory_order_seq_cst);
    }
    return true;
  }

  bool has_ended(std::uint32_t other) const noexcept {
    pollfd process{options_.processes[other], POLLIN, 0};
    return process.fd >= 0 && ::poll(&process, 1, 0) > 0;
  }

  void fail(std::uint32_t by) noexcept {
    std::uint32_t none = 0;
    control_.aborted_by.compare_exchange_strong(none, by + 1, std::memory_order_acq_rel);
    for (auto& line : control_.lines) wake_all(line.posted);
  }

  /// Adds up what lies between the bounds; `data` is this rank's share.
  void add_up(std::span<float> data, bounds part) const {
    std::array<std::byte const*, shared_memory::most_ranks> shares;
    for (std::uint32_t from = 0; from < size(); ++from)
      shares[from] = std::as_bytes(slot(from).subspan(part.begin)).data();
    shares[options_.rank] = std::as_bytes(data.subspan(part.begin)).data(); // in this core's cache
    sum_in_order(data.data() + part.begin, std::span(shares).first(size()), part.end - part.begin);
  }

  /// Columns `columns` of each rank's rows `rows`; ranks whose rows are shorter share less.
  bool gather_part(gathering const& of, bounds rows, bounds columns) {
    if (poll() == collective_state::failed) return false;
    ++operations_;
    auto const mine = clipped(of.widths[options_.rank], columns);
    for (auto row = rows.begin; mine != 0 && row < rows.end; ++row)
      put({of.own + row * of.widths[options_.rank] + columns.begin, mine}, (row - rows.begin) * mine);
    if (!post()) return false;
    if (options_.rank != 0) return true;
    std::size_t left = 0; // of this rank's columns in a whole row
    for (std::uint32_t from = 0; from < size(); ++from) {
      auto const theirs = clipped(of.widths[from], columns);
      for (auto row = rows.begin; theirs != 0 && row < rows.end; ++row)
        std::memcpy(of.out + row * of.whole + left + columns.begin,
                    slot(from).data() + (row - rows.begin) * theirs, theirs * sizeof(float));
      left += of.widths[from];
    }
    return true;
  }

  static std::size_t clipped(std::size_t width, bounds columns) noexcept {
    return std::min(width, columns.end) - std::min(width, columns.begin);
  }

  std::span<float> slot(std::uint32_t of) const noexcept { return memory_.slot(of, operations_ % 2); }

  /// Those of ranks that were killed, too: nobody else will.
  void wipe_ended() noexcept {
    for (std::uint32_t other = 0; other < size(); ++other)
      for (std::uint32_t parity = 0; parity < 2 && has_ended(other); ++parity) {
        auto const left = memory_.slot(other, parity);
        wipe(left.data(), left.size_bytes());
      }
  }

  void wipe_own() noexcept {
    for (std::uint32_t parity = 0; parity < 2; ++parity) {
      wipe(memory_.slot(options_.rank, parity).data(), used_[parity] * sizeof(float));
      used_[parity] = 0;
    }
  }

  shared_memory::segment memory_;
  control_block& control_;
  shared_memory_options options_;
  std::uint32_t operations_ = 0;
  std::array<std::size_t, 2> used_{}; ///< floats of each slot since the last scrub
};

} // namespace

result<std::unique_ptr<collective>> make_shared_memory_collective(shared_memory::segment memory,
                                                                  shared_memory_options options) {
  if (options.rank >= memory.control().ranks)
    return error{errc::invalid_request, "no rank of this group", options.rank};
  options.processes.resize(memory.control().ranks, -1);
  return std::unique_ptr<collective>(
      std::make_unique<shared_memory_collective>(std::move(memory), std::move(options)));
}

} // namespace mayfly::gpu
