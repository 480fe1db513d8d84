#pragma once
// A rank's place in the groups that are formed one after another: weights stay loaded while collectives come
// and go with the epochs.
#include "gpu/collective/collective.hpp"
#include "gpu/collective/nccl/library.hpp"
#include "gpu/kernels/backend.hpp"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace mayfly::gpu {

/// Passes on to the present epoch's collective. Without one it has failed: nothing is computed. `take` and
/// `leave` belong to the thread that computes; `abort` to any.
class seat final : public collective {
public:
  seat(std::uint32_t rank, std::uint32_t size) noexcept : rank_(rank), size_(size) {}

  /// The device that computes here, where it can sum over ranks itself (NCCL). `zeros` is its memory, zero
  /// for ever. Once, before the first group.
  void compute_on(device_stream stream, std::span<float> zeros, nccl::functions const& api) {
    stream_ = std::move(stream);
    zeros_ = zeros;
    api_ = api;
  }
  /// True if sums are the device's: the ranks meet by `make_meeting` and `meet`, not by `take`.
  bool meets_on_device() const noexcept { return static_cast<bool>(stream_.is_idle); }
  /// Rank 0: what all ranks need to meet, for one epoch. It tells how to join: it travels as secrets do.
  /// Errors: backend_failed.
  result<ephemeral_bytes> make_meeting() const;
  /// All ranks at the same time: forms the group on their devices, within seconds, or until `given_up` says
  /// so. Errors: malformed (no meeting), and those of make_nccl_collective.
  result<void> meet(std::span<std::byte const> meeting, std::chrono::milliseconds patience,
                    std::function<bool()> given_up);

  /// How this process ends where nothing else forgets: by default at once. Before the first group.
  void ends_process_by(std::function<void()> how) { end_process_ = std::move(how); }
  void end_process() const { end_process_(); }
  /// True if shares of sums lie in buffers that nobody can wipe any more: NCCL's, of a group that failed amid
  /// its sums, are freed as they are. The end of the process is what erases them.
  bool leaves_traces() noexcept {
    (void)poll();
    return meets_on_device() && (used_ || scrubbed_);
  }

  /// Joins a group of the same rank and size.
  void take(std::unique_ptr<collective> group) {
    std::lock_guard const lock(changing_);
    group_ = std::move(group);
    used_ = scrubbed_ = false;
  }
  /// Ends the present group, wherever its other ranks are; its buffers are wiped.
  void leave() noexcept {
    abort();
    std::lock_guard const lock(changing_);
    group_ = nullptr;
  }

  std::uint32_t rank() const noexcept override { return rank_; }
  std::uint32_t size() const noexcept override { return size_; }
  void all_reduce(float* data, std::size_t count) override {
    used_ = true;
    if (group_) group_->all_reduce(data, count);
  }
  void gather_columns(float const* own, std::size_t rows, std::span<std::size_t const> widths,
                      float* out) override {
    used_ = true;
    if (group_) group_->gather_columns(own, rows, widths, out);
  }
  collective_state poll() noexcept override {
    auto const state = group_ ? group_->poll() : collective_state::failed;
    if (state == collective_state::ok) scrubbed_ = false; // all that was enqueued is done
    return state;
  }
  result<void> failure() const noexcept override {
    if (group_) return group_->failure();
    return error{errc::worker_lost, "the group of ranks is not formed (rank)", rank_};
  }
  void abort() noexcept override {
    std::lock_guard const lock(changing_);
    if (group_) group_->abort();
  }
  void scrub() override {
    if (group_) group_->scrub();
    scrubbed_ = std::exchange(used_, false) || scrubbed_;
  }

private:
  std::uint32_t const rank_;
  std::uint32_t const size_;
  device_stream stream_;
  std::span<float> zeros_;
  nccl::functions api_{};
  std::function<void()> end_process_ = [] { std::_Exit(EXIT_FAILURE); };
  bool used_ = false;     ///< since the last scrub; the computing thread's own, as is
  bool scrubbed_ = false; ///< since the device was last seen to have done all
  std::mutex changing_;   ///< of group_, against `abort` by others
  std::unique_ptr<collective> group_;
};

} // namespace mayfly::gpu
