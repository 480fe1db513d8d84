#include "cluster/node/rank_wiring.hpp"

#include "cluster/transport/sealed_channel.hpp"
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"
#include "gpu/collective/tcp/tcp_collective.hpp"

namespace mayfly::node {
namespace {

constexpr std::chrono::milliseconds greeting_patience{3000};
constexpr std::size_t largest_plan_bytes = std::size_t{8} << 20; ///< a step's tokens and block tables

error misfit() { return {errc::malformed, "descriptors that do not fit a rank's place", 0}; }

/// The next descriptors of a place, in their order.
class hand {
public:
  explicit hand(std::vector<owned_descriptor> descriptors) : descriptors_(std::move(descriptors)) {}
  std::size_t left() const noexcept { return descriptors_.size() - next_; }
  int take() noexcept { return descriptors_[next_++].release(); }
  owned_descriptor take_owned() noexcept { return std::move(descriptors_[next_++]); }

private:
  std::vector<owned_descriptor> descriptors_;
  std::size_t next_ = 0;
};

result<std::unique_ptr<gpu::collective>> share_memory(group_seat const& seat, hand& from) {
  auto const file = from.take_owned();
  gpu::shared_memory_options options;
  options.rank = seat.rank;
  options.patience = actors::rank_patience;
  for (std::uint32_t rank = 0; rank < seat.nodes.size(); ++rank)
    options.processes.push_back(rank == seat.rank ? -1 : from.take());
  auto memory = gpu::shared_memory::segment::map(file.get());
  if (!memory) return memory.failure();
  return gpu::make_shared_memory_collective(std::move(*memory), std::move(options));
}

result<std::unique_ptr<secure_channel>> open_channel(group_seat const& seat, char const* purpose,
                                                     std::uint32_t peer, int descriptor, deadline until) {
  cluster::channel_terms const terms{seat.group.text(), purpose, seat.epoch,
                                     seat.rank,         peer,    largest_plan_bytes};
  return cluster::open_sealed_channel(descriptor, terms, seat.key.reveal(), until);
}

/// Ranks of several hosts: a sealed channel to each other one.
result<std::unique_ptr<gpu::collective>> exchange_sums(group_seat const& seat, hand& from, deadline until) {
  gpu::tcp::channels peers;
  for (std::uint32_t rank = 0; rank < seat.nodes.size(); ++rank) {
    auto& peer = peers.emplace_back();
    if (rank == seat.rank) continue;
    auto opened = open_channel(seat, "sums", rank, from.take(), until);
    if (!opened) return opened.failure();
    peer = std::move(*opened);
  }
  gpu::tcp_options options;
  options.rank = seat.rank;
  options.patience = actors::rank_patience;
  return gpu::make_tcp_collective(std::move(peers), options);
}

} // namespace

result<actors::group_offer> wire_group(group_seat const& seat, std::vector<owned_descriptor> descriptors) {
  auto const ranks = seat.nodes.size();
  auto const channels = seat.rank == 0 ? ranks - 1 : 1;
  auto const others = seat.one_host ? ranks : ranks - 1; // a memory and processes, or channels of sums
  hand from(std::move(descriptors));
  if (ranks < 2 || seat.rank >= ranks || from.left() != channels + others) return misfit();
  auto const until = boot_clock::now() + greeting_patience;
  actors::group_offer offer;
  offer.model = seat.model;
  offer.epoch = seat.epoch;
  offer.nodes = seat.nodes;
  offer.carrier = *name::parse(seat.one_host ? "shared_memory" : "tcp");
  result<std::unique_ptr<gpu::collective>> met = misfit();
  if (seat.one_host) met = share_memory(seat, from);
  if (seat.one_host && !met) return met.failure();
  for (std::size_t index = 0; index < channels; ++index) {
    auto const peer = seat.rank == 0 ? static_cast<std::uint32_t>(index + 1) : 0;
    auto opened = open_channel(seat, "plans", peer, from.take(), until);
    if (!opened) return opened.failure();
    offer.channels.push_back(std::move(*opened));
  }
  if (!seat.one_host) met = exchange_sums(seat, from, until);
  if (!met) return met.failure();
  offer.collective = std::move(*met);
  return offer;
}

} // namespace mayfly::node
