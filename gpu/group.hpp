#pragma once
// A tensor-parallel group as actors see it. Rank 0 runs an `engine`, which plans, samples and knows
// sequences; the other ranks run a `shard_engine`, which computes what rank 0 plans on its slices of the
// weights. What rank 0's engine says to the others goes through `followers`; what they compute together goes
// through the `collective` of the present epoch, in the ranks' `seat`s.
#include "gpu/collective/seat.hpp"
#include "gpu/engine.hpp"
#include "gpu/model/model.hpp"

namespace mayfly::gpu {

/// What a wipe covers beside KV blocks; each extent includes those before it.
enum class wipe_extent : std::uint8_t {
  blocks = 0,
  logits = 1,
  activations = 2, ///< the collective's buffers too: an operation of the whole group
  everything = 3,  ///< what kernels keep between steps too
};

/// The ranks beside the first, as rank 0's engine speaks to them: in order, without waiting but in `settle`.
/// Called by the thread that drives the engine. After a failure nothing is sent; `settle` tells.
class followers {
public:
  virtual ~followers() = default;
  /// They compute this step together with rank 0.
  virtual void step(step_batch const& batch) = 0;
  virtual void wipe(std::span<std::uint32_t const> blocks, wipe_extent extent) = 0;
  /// Waits until every rank has done the wipes that were asked for. Errors: worker_lost, backend_failed.
  virtual result<void> settle() = 0;
};

/// A rank beside the first. One thread drives it.
class shard_engine {
public:
  /// `options.part` says which rank. Errors: those of engine::load.
  static result<std::unique_ptr<shard_engine>> load(engine_options const& options);
  virtual ~shard_engine() = default;

  /// Computes a step. Errors: malformed (a plan that no engine of this model makes: nothing is computed),
  /// worker_lost, backend_failed.
  virtual result<void> step(step_batch const& batch) = 0;
  /// Errors: malformed, worker_lost, backend_failed.
  virtual result<void> wipe(std::span<std::uint32_t const> blocks, wipe_extent extent) = 0;
  /// The group is gone: wipes every KV block, activations and scratch. Errors: backend_failed.
  virtual result<void> forget() = 0;

  /// Those of engine_figures that a rank beside the first has: its weights, its KV cache, what groups agree
  /// on.
  virtual engine_figures figures() const noexcept = 0;
  virtual std::size_t kv_block_bytes() const noexcept = 0;
  virtual literal backend_name() const noexcept = 0;
};

} // namespace mayfly::gpu
