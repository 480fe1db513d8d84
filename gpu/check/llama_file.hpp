#pragma once
// A model file of an 8B llama's shape, made up: random bf16 matrices. All layers share one layer's bytes in
// the file, which is small and quickly written; a device gets a copy for each, as for a real model.
#include <cstdint>
#include <filesystem>

namespace mayfly::gpu::check {

struct llama_shape {
  std::uint32_t layers = 32;
  std::uint32_t width = 4096;
  std::uint32_t hidden = 14336;
  std::uint32_t heads = 32;
  std::uint32_t kv_heads = 8;
  std::uint32_t vocabulary = 128256;
  std::uint32_t context_tokens = 8192;
};

/// Weights of the file and, in bytes, all that a decode step reads of them (the embedding table is read by
/// the row).
struct llama_size {
  std::uint64_t weights = 0;
  std::uint64_t step_bytes = 0;
};
llama_size size_of(llama_shape const& shape);

/// False where it cannot be written.
bool write_llama(std::filesystem::path const& file, llama_shape const& shape);

} // namespace mayfly::gpu::check
