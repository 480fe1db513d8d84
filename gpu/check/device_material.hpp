#pragma once
// What checks put on a device: numbers that free themselves, weights, KV memory, sequences.
#include "gpu/kernels/backend.hpp"

#include <memory>
#include <vector>

namespace mayfly::gpu::check {

/// Activations. Throws where there is no memory.
class floats {
public:
  floats(backend& device, std::size_t count);
  floats(backend& device, std::vector<float> const& values);
  ~floats() { device_.release(memory_, count_); }
  floats(floats const&) = delete;
  floats& operator=(floats const&) = delete;

  float* get() const noexcept { return memory_; }
  std::size_t count() const noexcept { return count_; }
  std::vector<float> read() const;

private:
  backend& device_;
  float* memory_;
  std::size_t count_;
};

/// A whole tensor as a weight. Throws where the device refuses.
std::unique_ptr<packed_weight> prepared(backend& device, tensor_view const& tensor);

/// KV memory. Throws where the device refuses.
std::unique_ptr<kv_memory> made_kv(backend& device, kv_shape const& shape);

/// Sequences of one length each: `count` of them, `tokens` new ones at `position`, in blocks of their own.
class sequences {
public:
  sequences(std::uint32_t count, std::uint32_t tokens, std::uint32_t position, std::uint32_t block_tokens);
  std::span<sequence_span const> spans() const noexcept { return spans_; }
  std::uint32_t blocks() const noexcept { return static_cast<std::uint32_t>(blocks_.size()); }
  std::uint32_t tokens() const noexcept { return tokens_; }

private:
  std::vector<std::uint32_t> blocks_;
  std::vector<sequence_span> spans_;
  std::uint32_t tokens_;
};

/// Fails the check with a sentence where the device reports something.
void must(result<void> const& done, char const* doing);

} // namespace mayfly::gpu::check
