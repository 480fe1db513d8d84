#pragma once
// Rank 0's side of a tensor-parallel group: forms it, speaks to the other ranks, notices who is lost. Driven
// by the engine's thread.
#include "actors/worker/group_offer.hpp"
#include "gpu/group.hpp"
#include "protocol/base/clock.hpp"
#include "protocol/messages/group.hpp"

#include <atomic>

namespace mayfly::actors {

/// Without a group everything it is told goes nowhere: the seat's collective has failed then, and no step
/// counts.
class group_lead final : public gpu::followers {
public:
  explicit group_lead(std::uint32_t ranks) : seat_(std::make_shared<gpu::seat>(0, ranks)) {}

  std::shared_ptr<gpu::seat> const& seat() const noexcept { return seat_; }
  std::uint32_t ranks() const noexcept { return seat_->size(); }
  std::uint64_t epoch() const noexcept { return epoch_; }
  bool formed() const noexcept { return !channels_.empty(); }
  name const& carrier() const noexcept { return carrier_; }

  /// Takes the place of any earlier group, whose content is wiped by now. Errors: configuration (`number`:
  /// the rank whose model, KV cache or steps are of another shape than `own`), and those of the channels.
  result<void> form(group_offer offer, messages::rank_shape const& own);
  /// The others notice and wipe.
  void leave() noexcept;
  /// No group is formed any more, and one that is being formed is given up. Thread-safe.
  void abandon() noexcept { abandoned_ = true; }
  /// True if a group was formed and has failed, or a rank's channel is closed.
  bool lost() noexcept;

  /// The other ranks of the present group.
  std::vector<node_id> const& others() const noexcept { return others_; }
  /// From now on they may hold content of the request.
  void hold(request_id request, std::uint32_t prompt_tokens, std::chrono::milliseconds time_left);
  /// What each of them wiped of a sequence of `tokens` that has ended and settled. Empty where the group is
  /// lost: then they report themselves.
  std::vector<messages::rank_wipe> wiped(std::size_t tokens);
  /// They hold nothing of it any more.
  void release(request_id request);

  void step(gpu::step_batch const& batch) override;
  void wipe(std::span<std::uint32_t const> blocks, gpu::wipe_extent extent) override;
  result<void> settle() override;

private:
  result<void> meet_on_devices();
  bool has_spoken() const noexcept;
  template <messages::message M>
  void tell_all(M const& message);
  void fail(error const& why) noexcept;

  std::shared_ptr<gpu::seat> seat_;
  std::uint64_t epoch_ = 0;
  name carrier_;
  std::vector<std::unique_ptr<secure_channel>> channels_; ///< empty: no group
  std::vector<node_id> others_;
  std::vector<messages::rank_shape> shapes_;
  result<void> failure_;
  std::atomic<bool> abandoned_{false};
  std::uint64_t settled_ = 0;
  bool wipes_pending_ = false;
};

} // namespace mayfly::actors
