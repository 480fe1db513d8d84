#include "cluster/node/rank_wiring.hpp"

#include "cluster/transport/sealed_channel.hpp"
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"

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

} // namespace

result<actors::group_offer> wire_group(group_seat const& seat, std::vector<owned_descriptor> descriptors) {
  auto const ranks = seat.nodes.size();
  auto const channels = seat.rank == 0 ? ranks - 1 : 1;
  hand from(std::move(descriptors));
  if (ranks < 2 || seat.rank >= ranks || from.left() != ranks + channels) return misfit();
  actors::group_offer offer;
  offer.model = seat.model;
  offer.epoch = seat.epoch;
  offer.nodes = seat.nodes;
  auto met = share_memory(seat, from);
  if (!met) return met.failure();
  offer.collective = std::move(*met);
  offer.carrier = *name::parse("shared_memory");
  auto const until = boot_clock::now() + greeting_patience;
  for (std::size_t index = 0; index < channels; ++index) {
    auto const peer = seat.rank == 0 ? static_cast<std::uint32_t>(index + 1) : 0;
    cluster::channel_terms const terms{seat.group.text(), "plans", seat.epoch,
                                       seat.rank,         peer,    largest_plan_bytes};
    auto opened = cluster::open_sealed_channel(from.take(), terms, seat.key.reveal(), until);
    if (!opened) return opened.failure();
    offer.channels.push_back(std::move(*opened));
  }
  return offer;
}

} // namespace mayfly::node
