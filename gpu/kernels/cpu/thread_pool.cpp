#include "gpu/kernels/cpu/thread_pool.hpp"

#include "protocol/base/wipe.hpp"

#include <csignal>
#include <sched.h>

namespace mayfly::gpu::cpu {
namespace {

// 20-80 microseconds, by what a pause costs the processor: longer than the gaps between the operations of a
// step, shorter than a scheduler's time slice.
constexpr int spins = 2000;

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

std::size_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(CPU_COUNT(&set));
}

// Signals are for the program's own threads.
class signals_blocked {
public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(signals_blocked const&) = delete;
  signals_blocked& operator=(signals_blocked const&) = delete;

private:
  sigset_t before_;
};

} // namespace

thread_pool::thread_pool(unsigned threads) : lanes_(threads == 0 ? usable_processors() : threads) {
  signals_blocked const guard;
  for (std::size_t i = 1; i < lanes_.size(); ++i) {
    threads_.emplace_back([this, i] { work_loop(i); });
  }
}

thread_pool::~thread_pool() {
  stopping_ = true;
  ++generation_;
  generation_.notify_all();
  for (auto& thread : threads_) thread.join();
}

// A thread that comes late to the last region may read this one's numbers, and must not claim with them what
// the last one's lanes count. So the lanes are closed before any number changes: whoever reads a new number
// finds its claim refused.
void thread_pool::start(region const& work) {
  auto const generation = generation_.load(std::memory_order_relaxed) + 1;
  auto const open = std::uint64_t{generation} << 32;
  for (auto& each : lanes_) each.next.store(open | UINT32_MAX, std::memory_order_release);
  call_.store(work.call, std::memory_order_release);
  context_.store(work.context, std::memory_order_release);
  units_.store(work.units, std::memory_order_release);
  chunk_.store(work.chunk, std::memory_order_release);
  own_chunks_only_.store(work.own_chunks_only, std::memory_order_release);
  done_.store(0, std::memory_order_release);
  for (auto& each : lanes_) each.next.store(open, std::memory_order_release);
  generation_.store(generation, std::memory_order_seq_cst);
  generation_.notify_all();
  auto const own = take_part(0, generation);
  done_.fetch_add(static_cast<std::uint32_t>(own), std::memory_order_acq_rel);
  await_done(work.chunks());
}

void thread_pool::await_done(std::size_t chunks) {
  for (int i = 0; i < spins; ++i) {
    if (done_.load(std::memory_order_acquire) == chunks) return;
    pause();
  }
  for (auto done = done_.load(std::memory_order_acquire); done != chunks;
       done = done_.load(std::memory_order_acquire)) {
    done_.wait(done, std::memory_order_acquire);
  }
}

void thread_pool::work_loop(std::size_t participant) {
  std::uint32_t seen = 0;
  for (;;) {
    seen = await_generation(seen);
    if (stopping_.load()) break;
    auto const completed = take_part(participant, seen);
    if (completed == 0) continue;
    done_.fetch_add(static_cast<std::uint32_t>(completed), std::memory_order_acq_rel);
    done_.notify_one();
  }
  wipe_stack();
}

std::uint32_t thread_pool::await_generation(std::uint32_t seen) {
  for (int i = 0; i < spins; ++i) {
    auto const now = generation_.load(std::memory_order_acquire);
    if (now != seen) return now;
    pause();
  }
  wipe_stack();
  generation_.wait(seen, std::memory_order_acquire);
  return generation_.load(std::memory_order_acquire);
}

thread_pool::region thread_pool::current() const noexcept {
  return {call_.load(std::memory_order_acquire), context_.load(std::memory_order_acquire),
          units_.load(std::memory_order_acquire), chunk_.load(std::memory_order_acquire),
          own_chunks_only_.load(std::memory_order_acquire)};
}

std::size_t thread_pool::take_part(std::size_t participant, std::uint32_t generation) {
  auto const work = current();
  if (work.own_chunks_only) return take_lane(participant, participant, generation, work);
  std::size_t completed = 0;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    completed += take_lane(participant, (participant + i) % lanes_.size(), generation, work);
  }
  return completed;
}

std::size_t thread_pool::take_lane(std::size_t participant, std::size_t of, std::uint32_t generation,
                                   region const& work) {
  auto const chunks = work.chunks();
  auto const first = chunks * of / lanes_.size();
  auto const length = chunks * (of + 1) / lanes_.size() - first;
  auto& next = lanes_[of].next;
  std::size_t completed = 0;
  for (auto ticket = next.load(std::memory_order_acquire);;) {
    auto const index = ticket & UINT32_MAX;
    if (ticket >> 32 != generation || index >= length) return completed;
    if (!next.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    auto const begin = (first + index) * work.chunk;
    auto const end = begin + work.chunk;
    work.call(work.context, participant, begin, end < work.units ? end : work.units);
    ++completed;
    ticket = next.load(std::memory_order_acquire);
  }
}

} // namespace mayfly::gpu::cpu
