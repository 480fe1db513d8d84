#include "actors/worker/group_lead.hpp"

#include "actors/worker/rank_messages.hpp"

#include <algorithm>
#include <poll.h>

namespace mayfly::actors {
namespace {

bool fit_together(messages::rank_shape const& left, messages::rank_shape const& right) {
  return left.fingerprint == right.fingerprint && left.kv_blocks == right.kv_blocks &&
         left.kv_block_tokens == right.kv_block_tokens && left.step_tokens == right.step_tokens;
}

messages::step_plan plan_of(gpu::step_batch const& batch) {
  messages::step_plan plan;
  plan.tokens = ephemeral_tokens(batch.tokens);
  for (auto const& span : batch.sequences)
    plan.sequences.push_back(
        {span.token_count, span.first_position, {span.blocks.begin(), span.blocks.end()}});
  plan.sampled.assign(batch.sampled.begin(), batch.sampled.end());
  return plan;
}

} // namespace

template <messages::message M>
void group_lead::tell_all(M const& message) {
  auto const until = boot_clock::now() + rank_patience;
  for (auto const& channel : channels_) {
    if (!failure_) return;
    if (auto const sent = send_to_rank(*channel, message, until); !sent) fail(sent.failure());
  }
}

result<void> group_lead::form(group_offer offer, messages::rank_shape const& own) {
  leave();
  epoch_ = offer.epoch;
  std::vector<messages::rank_shape> shapes;
  auto const until = boot_clock::now() + rank_patience;
  for (auto const& channel : offer.channels) {
    auto shape = expect_from_rank<messages::rank_shape>(*channel, until);
    if (!shape) return shape.failure();
    shapes.push_back(*shape);
    if (shape->on_device != own.on_device)
      return error{errc::configuration, "ranks on CUDA devices form no group with ranks on processors (rank)",
                   static_cast<std::int64_t>(shapes.size())};
    if (!fit_together(*shape, own))
      return error{errc::configuration, "a rank has another model, or another KV cache (rank)",
                   static_cast<std::int64_t>(shapes.size())};
  }
  if (shapes.size() + 1 != ranks() || offer.nodes.size() != ranks())
    return error{errc::configuration, "a group of another size (ranks)",
                 static_cast<std::int64_t>(shapes.size() + 1)};
  shapes_ = std::move(shapes);
  channels_ = std::move(offer.channels);
  others_.assign(offer.nodes.begin() + 1, offer.nodes.end());
  carrier_ = offer.carrier;
  if (!seat_->meets_on_device()) {
    seat_->take(std::move(offer.collective));
    return {};
  }
  auto const met = meet_on_devices();
  if (!met) leave();
  return met;
}

result<void> group_lead::meet_on_devices() {
  auto meeting = seat_->make_meeting();
  if (!meeting) return meeting.failure();
  tell_all(messages::rank_meeting{meeting->clone()});
  if (!failure_) return failure_;
  carrier_ = nccl_carrier();
  return seat_->meet(meeting->reveal(), rank_patience, [this] { return abandoned_ || has_spoken(); });
}

void group_lead::leave() noexcept {
  seat_->leave();
  channels_.clear();
  others_.clear();
  shapes_.clear();
  failure_ = {};
  settled_ = 0;
  wipes_pending_ = false;
}

bool group_lead::lost() noexcept {
  if (!formed()) return false;
  if (!failure_ || seat_->poll() == gpu::collective_state::failed) return true;
  return has_spoken();
}

/// A rank speaks only when it is asked: what shows here between two steps is its end.
bool group_lead::has_spoken() const noexcept {
  return std::ranges::any_of(channels_, [](auto const& channel) {
    pollfd watched{channel->descriptor(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
  });
}

void group_lead::hold(request_id request, std::uint32_t prompt_tokens, std::chrono::milliseconds time_left) {
  tell_all(messages::rank_holds{request, prompt_tokens, time_left});
}

std::vector<messages::rank_wipe> group_lead::wiped(std::size_t tokens) {
  if (lost()) return {};
  std::vector<messages::rank_wipe> wipes;
  for (std::size_t index = 0; index < shapes_.size(); ++index) {
    auto const& shape = shapes_[index];
    auto const blocks = (tokens + shape.kv_block_tokens - 1) / shape.kv_block_tokens;
    wipes.push_back({others_[index], blocks * shape.kv_block_bytes});
  }
  return wipes;
}

void group_lead::release(request_id request) { tell_all(messages::rank_released{request}); }

void group_lead::step(gpu::step_batch const& batch) {
  if (formed()) tell_all(plan_of(batch));
}

void group_lead::wipe(std::span<std::uint32_t const> blocks, gpu::wipe_extent extent) {
  if (!formed()) return;
  tell_all(messages::wipe_order{static_cast<messages::wipe_extent>(extent), {blocks.begin(), blocks.end()}});
  wipes_pending_ = true;
}

result<void> group_lead::settle() {
  if (!failure_ || !wipes_pending_) return failure_;
  wipes_pending_ = false;
  tell_all(messages::settle_order{++settled_});
  auto const until = boot_clock::now() + rank_patience;
  for (auto const& channel : channels_) {
    if (!failure_) break;
    auto const answer = expect_from_rank<messages::rank_settled>(*channel, until);
    if (!answer) fail(answer.failure());
    if (answer && answer->number != settled_) fail({errc::malformed, "a rank settled something else", 0});
    channel->scrub();
  }
  return failure_;
}

void group_lead::fail(error const& why) noexcept {
  failure_ = error{errc::worker_lost, "a rank of the group is lost", why.number};
  seat_->abort();
}

} // namespace mayfly::actors
