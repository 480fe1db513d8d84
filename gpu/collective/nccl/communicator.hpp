#pragma once
// One rank's communicator and the thread that watches it: NCCL waits for ever where a peer is gone, so every
// wait here is somebody else's. The patience is for the next sign of progress: the end of what is enqueued,
// or a mark that the device passes. If NCCL hangs even when aborted, the thread is left behind, holding what
// it needs, and `on_hang` is called.
#include "gpu/collective/nccl/library.hpp"
#include "gpu/kernels/backend.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

namespace mayfly::gpu::nccl {

struct communicator_options {
  int rank = 0;
  int ranks = 1;
  unique_id id{};
  /// For what is enqueued once `connected` was called, and for the end.
  std::chrono::milliseconds patience{1500};
  /// NCCL looks around in the machine then: seconds. The first operations connect, and have as long.
  std::chrono::milliseconds forming{1500};
  device_stream stream;
  std::function<bool()> given_up; ///< asked while it forms: true ends that. Empty: never
  /// Called where NCCL hangs even when it is aborted: what waits for its device would wait for ever. Empty:
  /// nothing.
  std::function<void()> on_hang;
};

class communicator {
public:
  /// Meets the other ranks. Errors: backend_failed (NCCL refuses; `number`: its status), deadline_exceeded
  /// (ranks are missing), cancelled (given up).
  static result<std::unique_ptr<communicator>> form(functions const& api, communicator_options options);

  communicator(communicator const&) = delete;
  communicator& operator=(communicator const&) = delete;
  /// Ends it in peace if nothing failed, else aborted; within twice the patience.
  ~communicator();

  /// Enqueues by `call`, which gets NCCL's functions and the communicator. Nothing happens once it failed.
  void enqueue(std::function<status(functions const&, raw_communicator)> const& call);

  /// The first operations are done: from now on what is enqueued has the patience alone.
  void connected() noexcept;

  bool is_busy() const;
  bool has_failed() const noexcept;
  void abort() noexcept;

private:
  struct state;
  explicit communicator(std::shared_ptr<state> shared) : state_(std::move(shared)) {}
  static void watch(std::shared_ptr<state> const& with);
  static void call_if_it_hangs(std::shared_ptr<state> const& with);

  std::shared_ptr<state> state_; ///< with the watching thread
};

} // namespace mayfly::gpu::nccl
