#pragma once
// Threads for one backend. A region of work is cut into chunks; each participant first takes the chunks of
// its own part in order (so that it streams through memory), then what others have left. Nobody waits for a
// thread that is not running: a preempted core delays at most the chunk it is in. Threads spin for some tens
// of microseconds between regions, then sleep in a futex, with their stacks wiped.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace mayfly::gpu::cpu {

class thread_pool {
public:
  /// `threads` includes the caller of `run`: 1 means no thread of its own; 0 all processors that this process
  /// may use.
  explicit thread_pool(unsigned threads);
  ~thread_pool();
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  std::size_t size() const noexcept { return lanes_.size(); }

  /// Calls body(participant, begin, end) until [0, units) is covered, in pieces of `chunk`; returns when all
  /// is done. `participant` < size() is not shared by two calls at once. One caller at a time; the body
  /// throws nothing and does not call `run`.
  template <class Body>
  void run(std::size_t units, std::size_t chunk, Body&& body) {
    if (units == 0) return;
    if (lanes_.size() == 1 || units <= chunk) {
      body(std::size_t{0}, std::size_t{0}, units);
      return;
    }
    auto const call = [](void* context, std::size_t participant, std::size_t begin, std::size_t end) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(participant, begin, end);
    };
    start({call, &body, units, chunk, false});
  }

  /// Calls body(participant) once on every thread.
  template <class Body>
  void run_on_each(Body&& body) {
    auto const call = [](void* context, std::size_t participant, std::size_t, std::size_t) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(participant);
    };
    start({call, &body, lanes_.size(), 1, true});
  }

private:
  using function = void (*)(void*, std::size_t, std::size_t, std::size_t);
  struct region {
    function call = nullptr;
    void* context = nullptr;
    std::size_t units = 0;
    std::size_t chunk = 1;
    bool own_chunks_only = false;
    std::size_t chunks() const noexcept { return (units + chunk - 1) / chunk; }
  };
  /// The upper half is the generation: a claim for a region that has ended fails, so a thread that slept
  /// through a region can do no harm to the next.
  struct alignas(64) lane {
    std::atomic<std::uint64_t> next{0};
  };

  void start(region const& work);
  void work_loop(std::size_t participant);
  std::uint32_t await_generation(std::uint32_t seen);
  std::size_t take_part(std::size_t participant, std::uint32_t generation);
  std::size_t take_lane(std::size_t participant, std::size_t of, std::uint32_t generation,
                        region const& work);
  void await_done(std::size_t chunks);
  region current() const noexcept;

  std::vector<lane> lanes_;
  // The region, readable while it is replaced: what was read counts only after a claim of its generation.
  std::atomic<function> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::size_t> units_{0};
  std::atomic<std::size_t> chunk_{1};
  std::atomic<bool> own_chunks_only_{false};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

} // namespace mayfly::gpu::cpu
