#include "gpu/collective/tcp/tcp_collective.hpp"

#include "gpu/collective/summation.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

namespace mayfly::gpu {
namespace {

using tcp::stream;

constexpr std::size_t most_ranks = 256;

class tcp_collective final : public collective {
public:
  tcp_collective(tcp::channels peers, tcp_options const& options)
      : peers_(std::move(peers)), options_(options), exchange_(peers_, options.spin) {}

  std::uint32_t rank() const noexcept override { return options_.rank; }
  std::uint32_t size() const noexcept override { return static_cast<std::uint32_t>(peers_.size()); }

  void all_reduce(float* data, std::size_t count) override {
    if (has_failed() || size() == 1 || count == 0) return;
    std::span const all(data, count);
    // Two ranks send each other half in two rounds, or all in one: the same bytes.
    if (size() == 2 || all.size_bytes() <= options_.direct_bytes) {
      sum_all(all);
    } else if (sum_own_part(all)) {
      share_parts(all);
    }
  }

  void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                      float* out) override {
    if (has_failed()) return;
    if (rank() != 0) {
      exchange_.restart()[0].outgoing = {own, rows * widths[rank()]};
      run([] { return false; });
      return;
    }
    auto const whole = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
    for (std::size_t row = 0; row < rows && widths[0] != 0; ++row)
      std::memcpy(out + row * whole, own + row * widths[0], widths[0] * sizeof(float));
    auto& streams = exchange_.restart();
    for (std::size_t from = 1; from < size(); ++from) streams[from].incoming = rows * widths[from];
    run([&] { return place_columns(streams, widths, {out, rows * whole}); });
  }

  collective_state poll() noexcept override {
    if (!has_failed())
      if (auto const lost = exchange_.look()) fail(*lost);
    return has_failed() ? collective_state::failed : collective_state::ok;
  }

  result<void> failure() const noexcept override {
    auto const lost = lost_.load(std::memory_order_acquire);
    if (lost == 0) return {};
    return error{errc::worker_lost, "a rank of the group is lost (rank)", lost - 1};
  }

  void abort() noexcept override {
    std::uint32_t none = 0;
    lost_.compare_exchange_strong(none, rank() + 1, std::memory_order_acq_rel);
    hang_up();
  }

  void scrub() override {
    for (auto const& peer : peers_)
      if (peer != nullptr) peer->scrub();
  }

private:
  struct bounds {
    std::size_t begin, end;
  };

  bool has_failed() const noexcept { return lost_.load(std::memory_order_acquire) != 0; }

  bool run(std::function<bool()> const& consume) {
    auto const lost = exchange_.run(boot_clock::now() + options_.patience, consume);
    if (lost) fail(*lost);
    return !lost;
  }

  /// In the thread of the operations alone: who is lost is said on the channels, then they end.
  void fail(tcp::loss of) noexcept {
    std::uint32_t none = 0;
    if (!lost_.compare_exchange_strong(none, of.rank + 1, std::memory_order_acq_rel)) return;
    exchange_.tell(of);
    hang_up();
  }

  void hang_up() noexcept {
    for (auto const& peer : peers_)
      if (peer != nullptr) peer->abort();
  }

  /// Every rank's whole share to every rank.
  bool sum_all(std::span<float> data) {
    auto& streams = exchange_.restart();
    for_others([&](std::size_t other) {
      streams[other].outgoing = data;
      streams[other].incoming = data.size();
    });
    return run([&] { return add_up(streams, data); });
  }

  /// Every rank's share of a part to the rank that sums that part.
  bool sum_own_part(std::span<float> data) {
    auto& streams = exchange_.restart();
    auto const own = part_of(rank(), data);
    for_others([&](std::size_t other) {
      streams[other].outgoing = part_of(other, data);
      streams[other].incoming = own.size();
    });
    return run([&] { return add_up(streams, own); });
  }

  /// Every rank's summed part to every rank.
  bool share_parts(std::span<float> data) {
    auto& streams = exchange_.restart();
    for_others([&](std::size_t other) {
      streams[other].outgoing = part_of(rank(), data);
      streams[other].incoming = part_of(other, data).size();
    });
    return run([&] {
      bool used = false;
      for_others([&](std::size_t other) {
        auto& from = streams[other];
        if (from.held == nullptr) return;
        std::memcpy(part_of(other, data).data() + from.taken, from.held, from.held_floats() * sizeof(float));
        from.release();
        used = true;
      });
      return used;
    });
  }

  /// Sums the next chunk into `data` once every rank's is here, and ours has left for every rank that gets
  /// it: the sum takes its place.
  bool add_up(std::vector<stream>& streams, std::span<float> data) {
    std::size_t at = 0;
    bool ready = true;
    for_others([&](std::size_t other) {
      auto const& with = streams[other];
      at = with.taken;
      bool const overwrites = with.outgoing.data() == data.data();
      ready = ready && with.held != nullptr && (!overwrites || with.offered > with.taken);
      shares_[other] = with.held;
    });
    if (!ready) return false;
    shares_[rank()] = reinterpret_cast<std::byte const*>(data.data() + at);
    sum_in_order(data.data() + at, shares_, std::min(tcp::chunk_floats, data.size() - at));
    for_others([&](std::size_t other) { streams[other].release(); });
    return true;
  }

  /// What came of other ranks' rows into their columns of whole rows, at rank 0.
  bool place_columns(std::vector<stream>& streams, std::span<std::size_t const> widths,
                     std::span<float> out) {
    auto const whole = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
    bool used = false;
    std::size_t left = widths[0];
    for (std::size_t from = 1; from < size(); ++from) {
      if (streams[from].held != nullptr) {
        place(streams[from], {left, left + widths[from]}, whole, out);
        streams[from].release();
        used = true;
      }
      left += widths[from];
    }
    return used;
  }

  /// A chunk may begin and end within a row.
  static void place(stream const& from, bounds columns, std::size_t whole, std::span<float> out) {
    auto const width = columns.end - columns.begin;
    for (std::size_t done = 0; done < from.held_floats();) {
      auto const row = (from.taken + done) / width;
      auto const column = (from.taken + done) % width;
      auto const part = std::min(width - column, from.held_floats() - done);
      std::memcpy(out.data() + row * whole + columns.begin + column, from.held + done * sizeof(float),
                  part * sizeof(float));
      done += part;
    }
  }

  std::span<float> part_of(std::size_t of, std::span<float> data) const noexcept {
    auto const begin = data.size() * of / size();
    return data.subspan(begin, data.size() * (of + 1) / size() - begin);
  }

  void for_others(auto const& work) const {
    for (std::size_t other = 0; other < peers_.size(); ++other)
      if (other != options_.rank) work(other);
  }

  tcp::channels peers_;
  tcp_options const options_;
  std::atomic<std::uint32_t> lost_{0}; ///< 1 + the rank that is lost; 0: none
  tcp::exchange exchange_;
  /// By rank, of the chunk that is summed.
  std::vector<std::byte const*> shares_ = std::vector<std::byte const*>(peers_.size());
};

} // namespace

result<std::unique_ptr<collective>> make_tcp_collective(tcp::channels peers, tcp_options const& options) {
  if (options.rank >= peers.size() || peers.size() > most_ranks)
    return error{errc::invalid_request, "no rank of this group", options.rank};
  for (std::size_t peer = 0; peer < peers.size(); ++peer) {
    if ((peers[peer] == nullptr) != (peer == options.rank))
      return error{errc::invalid_request, "a channel to each other rank and none to itself (rank)",
                   static_cast<std::int64_t>(peer)};
    if (peers[peer] != nullptr && peers[peer]->largest_message_bytes() < tcp::chunk_floats * sizeof(float))
      return error{errc::invalid_request, "a channel for messages too small (rank)",
                   static_cast<std::int64_t>(peer)};
  }
  return std::unique_ptr<collective>(std::make_unique<tcp_collective>(std::move(peers), options));
}

} // namespace mayfly::gpu
