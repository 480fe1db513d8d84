#pragma once
// The numbers that a model file states about its network.
#include "gpu/formats/gguf.hpp"

#include <cstdint>
#include <string_view>

namespace mayfly::gpu {

/// Of a decoder with grouped-query attention and a gated feed-forward network. All counts are at least 1.
struct hyper_parameters {
  std::uint32_t layers = 0;
  std::uint32_t width = 0;  ///< of the residual stream
  std::uint32_t hidden = 0; ///< of the feed-forward network
  std::uint32_t heads = 0;  ///< a multiple of kv_heads
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0; ///< of K and V alike
  std::uint32_t vocabulary = 0;
  std::uint32_t context_tokens = 0; ///< that the model was trained for
  std::uint32_t rope_dims = 0;      ///< even, at most head_dim
  float rope_theta = 10000.0F;
  float rope_scale = 1.0F; ///< positions are multiplied by it
  float norm_epsilon = 1e-5F;
  bool float_weights = false; ///< no tensor is quantised
};

/// Reads the keys of `architecture` ("llama.block_count", ...; names and defaults as in ggml's docs/gguf.md).
/// The vocabulary is the number of rows of token_embd.weight. Errors: malformed (a key is missing, out of
/// range or contradicts another), unsupported (a scaling of positions other than linear, K and V of different
/// widths, attention that is not causal, mixture of experts).
result<hyper_parameters> read_hyper_parameters(gguf_file const& file, std::string_view architecture);

} // namespace mayfly::gpu
