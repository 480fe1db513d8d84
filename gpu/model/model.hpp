#pragma once
// What the engine asks of a network: a forward pass over the tokens of one step. One implementation an
// architecture; all of them reach their weights and their activations only through the backend.
#include "gpu/kernels/backend.hpp"
#include "gpu/model/hyper_parameters.hpp"
#include "gpu/model/shard.hpp"

#include <memory>
#include <span>

namespace mayfly::gpu {

/// The tokens of one step. T tokens, of which S are sampled from.
struct step_batch {
  std::span<token_id const> tokens;         ///< [T], inside the vocabulary
  std::span<sequence_span const> sequences; ///< cover [0, T) in order, without gaps
  std::span<std::uint32_t const> sampled;   ///< [S], ascending indices into tokens; may be empty
};

/// The largest step; activations are allocated once for it.
struct model_limits {
  std::uint32_t step_tokens = 0;  ///< T
  std::uint32_t sampled_rows = 0; ///< S
};

/// The KV cache that a network needs: K and V are kept no coarser than the weights, f32 where none of them is
/// quantised. `kv_heads`: those that a rank computes; 0: all.
inline kv_shape kv_shape_of(hyper_parameters const& p, std::uint32_t blocks, std::uint32_t block_tokens,
                            std::uint32_t kv_heads = 0) {
  auto const precision = p.float_weights ? kv_precision::f32 : kv_precision::f16;
  return {blocks, block_tokens, p.layers, kv_heads == 0 ? p.kv_heads : kv_heads, p.head_dim, precision};
}

class model {
public:
  virtual ~model() = default;

  /// Of the whole network.
  virtual hyper_parameters const& parameters() const noexcept = 0;
  /// KV heads that this rank computes.
  virtual std::uint32_t kv_heads() const noexcept = 0;
  virtual std::size_t weight_bytes() const noexcept = 0;

  /// Enqueues a pass: stores K and V of every token, and computes logits for the sampled ones. Returns the
  /// device address of logits[S][vocabulary], null if S is 0 and on every rank but the first; it is valid
  /// until the next pass. Precondition: the batch is within the limits.
  virtual float const* forward(step_batch const& batch, kv_memory& kv) = 0;

  /// Enqueues the wiping of all logits written since the last call.
  virtual void wipe_logits() = 0;

  /// Enqueues the wiping of all activations written since the last call, logits included.
  virtual void wipe_activations() = 0;
};

/// Loads the network that `file` names in general.architecture. The model keeps `file` and uses `device`,
/// which must outlive it. `part`: what this rank of a tensor-parallel group loads and computes; its ranks
/// make every pass together. Errors: unsupported (architecture, tensor type, biases, a split that cannot be),
/// malformed (a tensor is missing or has another shape), out_of_memory.
result<std::unique_ptr<model>> load_model(std::shared_ptr<gguf_file const> file, backend& device,
                                          model_limits limits, shard part = {});

} // namespace mayfly::gpu
