#pragma once
// The llama architecture (Touvron et al., LLaMA, 2023; Llama 3 in Grattafiori et al., 2024): RMSNorm before
// attention and before a SwiGLU network, rotary positions in interleaved pairs, grouped-query attention, no
// biases. Also what SmolLM2, TinyLlama and Mistral files say of themselves.
#include "gpu/model/model.hpp"

namespace mayfly::gpu {

/// See load_model.
result<std::unique_ptr<model>> load_llama(std::shared_ptr<gguf_file const> file, backend& device,
                                          model_limits limits, shard part);

} // namespace mayfly::gpu
