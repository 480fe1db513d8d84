// How a supervisor forms the groups of ranks that models are split over: it makes the descriptors that the
// ranks meet through, and a key for the epoch, and hands them over. It computes nothing and keeps none of
// them.
#include "cluster/node/event_log.hpp"
#include "cluster/node/supervisor.hpp"
#include "gpu/collective/shared_memory/segment.hpp"
#include "protocol/crypto/random.hpp"
#include "protocol/msgpack/codec.hpp"

#include <cerrno>
#include <sys/socket.h>

namespace mayfly::node {
namespace {

constexpr std::size_t slot_floats = 65'536; ///< of a rank's share in one operation; more goes in parts

/// For each rank the end of its channel with every other; none with itself.
using channel_ends = std::vector<std::vector<owned_descriptor>>;

/// Channels of plans: a star around rank 0.
result<channel_ends> make_star(std::size_t ranks) {
  channel_ends ends(ranks);
  for (std::size_t rank = 1; rank < ranks; ++rank) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
      return error{errc::io, "no channel between ranks could be made (errno)", errno};
    ends[0].emplace_back(pair[0]);
    ends[rank].emplace_back(pair[1]);
  }
  return ends;
}

void log_loss(name const& model, rank_group const& group) {
  event_log("group_lost").with("model", model.text()).with("epoch", group.epoch());
}

} // namespace

std::vector<supervisor::slot*> supervisor::ranks_of(std::uint32_t group) {
  std::vector<slot*> ranks;
  for (auto& child : children_)
    if (child.plan.ranks > 1 && child.plan.group == group) ranks.push_back(&child);
  return ranks;
}

void supervisor::take_wish(slot const& child, control_frame const& frame) {
  auto const wish = wire::decode<group_wish>(frame.body);
  if (!wish || child.plan.ranks == 1) return;
  if (spans_hosts()) return take_spanning_wish(child, *wish);
  auto const place = groups_.try_emplace({child.plan.group, wish->model}, child.plan.ranks).first;
  auto& group = place->second;
  if (wish->after < group.epoch() && wish->after != 0) return; // of a group before the last
  if (group.formed() && !stopping_) log_loss(wish->model, group);
  group.wants(child.plan.rank, boot_clock::now());
}

void supervisor::rank_ended(slot const& child) {
  if (child.plan.ranks == 1) return;
  if (spans_hosts()) return spanning_rank_ended(child);
  for (auto& [place, group] : groups_) {
    if (place.first != child.plan.group) continue;
    if (group.formed() && !stopping_) log_loss(place.second, group);
    group.ended(child.plan.rank, boot_clock::now());
  }
}

void supervisor::form_groups() {
  auto const now = boot_clock::now();
  for (auto& [place, group] : groups_) {
    auto const epoch = group.next(now);
    if (!epoch) continue;
    if (spans_hosts()) {
      call_hosts(place.second, *epoch);
      continue;
    }
    auto const offered = offer_seats(place.first, place.second, *epoch);
    event_log event(offered ? literal("group_formed") : literal("group_not_formed"));
    event.with("model", place.second.text()).with("epoch", *epoch).with("ranks", group.ranks());
    if (!offered) event.with("why", in_words(offered.failure()));
    for (std::uint32_t rank = 0; !offered && rank < group.ranks(); ++rank) group.wants(rank, now);
  }
}

/// All ranks run, for each of them wants a place. One that cannot be told is about to be found dead; the
/// others leave when they miss it.
result<void> supervisor::offer_seats(std::uint32_t group, name const& model, std::uint64_t epoch) {
  auto const ranks = ranks_of(group);
  auto const memory =
      gpu::shared_memory::segment::create(static_cast<std::uint32_t>(ranks.size()), slot_floats);
  auto plans = make_star(ranks.size());
  if (!memory) return memory.failure();
  if (!plans) return plans.failure();
  group_seat seat;
  seat.model = model;
  seat.group = model;
  seat.epoch = epoch;
  seat.key = crypto::random_bytes(32);
  for (auto const* rank : ranks) seat.nodes.push_back(rank->member.node);
  for (auto* const rank : ranks) {
    seat.rank = rank->plan.rank;
    std::vector<int> descriptors{memory->descriptor()};
    for (auto const* other : ranks)
      if (other != rank) descriptors.push_back(other->process->exit_descriptor());
    for (auto const& end : (*plans)[seat.rank]) descriptors.push_back(end.get());
    ephemeral_bytes body;
    wire::encode(seat, body);
    (void)rank->process->control().send(control_type::group_seat, body.reveal(), descriptors);
  }
  return {};
}

} // namespace mayfly::node
