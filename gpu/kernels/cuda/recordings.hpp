#pragma once
// Decode steps that were recorded: which may be replayed, and when they no longer may. A step is computed the
// first time (libraries choose their algorithms, workspaces grow), recorded the second, replayed from then
// on. Where a model, KV memory or a weight comes or goes, another may come to stand at its address: all
// recordings are forgotten.
#include "gpu/kernels/cuda/queue.hpp"

#include <compare>
#include <map>
#include <memory>

namespace mayfly::gpu::cuda {

/// What a recording depends on beside addresses that do not change.
struct step_key {
  void const* owner = nullptr;
  void const* kv = nullptr;
  std::uint32_t tokens = 0;
  std::uint32_t splits = 0; ///< of attention: grows with the longest sequence, by powers of two
  friend auto operator<=>(step_key const&, step_key const&) = default;
};

struct recorded_step {
  bool computed = false;
  std::unique_ptr<recording> work; ///< null until it is recorded
};

class recordings {
public:
  /// The step of this key, kept until `forget`. `moves`: workspaces that changed their address so far; where
  /// the number is another than at the last call, all recordings are void.
  recorded_step& step(step_key const& key, std::size_t moves) {
    if (moves != moves_) steps_.clear();
    moves_ = moves;
    return steps_[key];
  }
  void forget() noexcept { steps_.clear(); }

private:
  std::map<step_key, recorded_step> steps_;
  std::size_t moves_ = 0;
};

} // namespace mayfly::gpu::cuda
