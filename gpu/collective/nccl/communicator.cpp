#include "gpu/collective/nccl/communicator.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace mayfly::gpu::nccl {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds glance{1};          // between looks at what is under way
constexpr std::chrono::milliseconds idle_glance{10};    // and at a group that rests
constexpr std::chrono::milliseconds longest_call{10};   // of those that never block, they say
constexpr std::chrono::microseconds most_spinning{200}; // for a call that NCCL goes on with by itself

enum class phase : std::uint8_t { forming, formed, failed, ended };

} // namespace

struct communicator::state {
  state(functions const& with, communicator_options wanted) : api(with), options(std::move(wanted)) {}

  functions const api;
  communicator_options options; ///< constant, but for the id, which is wiped once it has served
  std::atomic<phase> now{phase::forming};
  std::atomic<bool> stopping{false};
  std::atomic<std::int64_t> refusal{0};   ///< NCCL's status at forming
  std::atomic<clock::rep> enqueued_at{0}; ///< of the last operation; 0: none is under way
  std::uint64_t marks_done = 0;           ///< the watching thread's own, as is
  clock::time_point progress_at{};        ///< when that last changed
  std::atomic<bool> calling{false};       ///< an operation is being enqueued
  std::atomic<bool> connecting{true};     ///< the first operations are
  std::timed_mutex
      calls; ///< held for each call that uses `raw`: not even NCCL's abort waits for one for ever
  raw_communicator raw = nullptr;
  std::mutex mutex;
  std::condition_variable changed; ///< of `now`, and of `stopping`

  void become(phase next) {
    std::lock_guard const lock(mutex);
    now = next;
    changed.notify_all();
  }
  bool await(std::chrono::milliseconds time, auto const& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, time, condition);
  }

  /// What NCCL says of the last call; in_progress while another call runs.
  status look() {
    std::unique_lock const lock(calls, glance);
    if (now == phase::failed || now == phase::ended) return status::remote_error; // `raw` may be gone
    status said = status::in_progress;
    if (lock && raw != nullptr && api.get_async_error(raw, &said) != status::success)
      said = status::remote_error;
    return said;
  }

  /// NCCL's word once nothing is in progress, or in_progress at the deadline.
  status settle(clock::time_point until) {
    auto const spun = clock::now() + most_spinning;
    for (;;) {
      auto const said = look();
      if (said != status::in_progress || clock::now() >= until || stopping) return said;
      if (clock::now() < spun)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(glance);
    }
  }

  std::chrono::milliseconds patience() const noexcept {
    return connecting ? options.forming : options.patience;
  }

  bool is_overdue() {
    auto const done = options.stream.marks_done ? options.stream.marks_done() : 0;
    if (std::exchange(marks_done, done) != done) progress_at = clock::now();
    auto const at = enqueued_at.load();
    auto const since = std::max(progress_at, clock::time_point(clock::duration(at)));
    return at != 0 && clock::now() - since > patience() && (calling || !options.stream.is_idle());
  }

  /// An idle stream alone does not say that all went well: operations that failed leave it, too.
  void forget_done() {
    auto at = enqueued_at.load();
    if (at == 0 || calling || !options.stream.is_idle()) return;
    auto const said = look();
    if (said == status::success) enqueued_at.compare_exchange_strong(at, 0);
    if (said != status::success && said != status::in_progress) fail();
  }

  void fail() noexcept {
    auto formed = phase::formed;
    now.compare_exchange_strong(formed, phase::failed);
    changed.notify_all();
  }

  bool form() {
    {
      std::lock_guard const lock(calls);
      configuration how;
      auto const said = api.initialise(&raw, options.ranks, options.id, options.rank, &how);
      if (said != status::success && said != status::in_progress) {
        refusal = static_cast<std::int64_t>(said);
        return false;
      }
    }
    auto const said = settle(clock::now() + options.forming);
    wipe(options.id.bytes.data(), options.id.bytes.size());
    if (said != status::success && said != status::in_progress) refusal = static_cast<std::int64_t>(said);
    return said == status::success;
  }

  void abort_raw() {
    std::unique_lock const lock(calls, longest_call); // a call that hangs is what abort ends
    if (raw != nullptr) api.abort(raw);
  }

  void end_in_peace() {
    std::unique_lock lock(calls, options.patience);
    auto said = lock ? api.finalise(raw) : status::remote_error;
    auto const until = clock::now() + options.patience;
    while (said == status::in_progress && clock::now() < until) {
      if (api.get_async_error(raw, &said) != status::success) said = status::remote_error;
      if (said == status::in_progress) std::this_thread::sleep_for(glance);
    }
    said == status::success ? api.destroy(raw) : api.abort(raw);
  }
};

result<std::unique_ptr<communicator>> communicator::form(functions const& api, communicator_options options) {
  auto const shared = std::make_shared<state>(api, std::move(options));
  auto made = std::unique_ptr<communicator>(new communicator(shared));
  std::thread([shared] { watch(shared); }).detach();
  // Some more than the watching thread's own: it ends in time unless the very call hangs.
  auto const until = clock::now() + shared->options.forming + 2 * glance;
  auto const decided = [&] { return shared->now != phase::forming; };
  while (!shared->await(idle_glance, decided) && clock::now() < until)
    if (shared->options.given_up && shared->options.given_up())
      return error{errc::cancelled, "a group was given up while it formed", 0};
  if (shared->now == phase::formed) return made;
  if (shared->refusal != 0)
    return error{errc::backend_failed, "NCCL forms no group (status)", shared->refusal};
  return error{errc::deadline_exceeded, "ranks of a group did not meet", 0};
}

communicator::~communicator() {
  state_->stopping = true;
  state_->changed.notify_all();
  state_->await(2 * state_->options.patience, [&] { return state_->now == phase::ended; });
}

void communicator::watch(std::shared_ptr<state> const& with) {
  with->options.stream.native(); // NCCL takes the calling thread's device
  bool whole = with->form();
  if (whole) with->become(phase::formed);
  while (whole && !with->stopping) {
    with->forget_done();
    auto const said = with->look();
    whole = with->now == phase::formed && (said == status::success || said == status::in_progress) &&
            !with->is_overdue();
    auto const pause = with->enqueued_at != 0 ? glance : idle_glance;
    if (whole) with->await(pause, [&] { return with->stopping || with->now != phase::formed; });
  }
  if (whole && with->now == phase::formed) {
    with->end_in_peace();
  } else {
    with->become(phase::failed);
    if (with->options.on_hang) std::thread([with] { call_if_it_hangs(with); }).detach();
    with->abort_raw();
  }
  with->become(phase::ended);
}

void communicator::call_if_it_hangs(std::shared_ptr<state> const& with) {
  if (!with->await(with->options.patience, [&] { return with->now == phase::ended; }))
    with->options.on_hang();
}

void communicator::enqueue(std::function<status(functions const&, raw_communicator)> const& call) {
  if (has_failed()) return;
  state_->calling = true;
  state_->enqueued_at = clock::now().time_since_epoch().count();
  auto said = status::remote_error;
  {
    std::unique_lock const lock(state_->calls, state_->patience());
    if (lock && !has_failed()) said = call(state_->api, state_->raw);
  }
  if (state_->options.stream.mark) state_->options.stream.mark();
  if (said == status::in_progress) said = state_->settle(clock::now() + state_->patience());
  state_->enqueued_at = clock::now().time_since_epoch().count();
  state_->calling = false;
  if (said != status::success) abort();
}

void communicator::connected() noexcept { state_->connecting = false; }

bool communicator::is_busy() const {
  state_->forget_done();
  return state_->enqueued_at != 0;
}

bool communicator::has_failed() const noexcept { return state_->now != phase::formed; }

void communicator::abort() noexcept { state_->fail(); }

} // namespace mayfly::gpu::nccl
