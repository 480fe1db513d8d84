#include "gpu/check/device_material.hpp"

#include <stdexcept>
#include <string>

namespace mayfly::gpu::check {
namespace {

[[noreturn]] void refuse(char const* doing, error const& failure) {
  throw std::runtime_error(std::string(doing) + ": " + std::string(failure.what.view()) + " " +
                           std::to_string(failure.number));
}

} // namespace

floats::floats(backend& device, std::size_t count)
    : device_(device), memory_(device.allocate(count)), count_(count) {
  if (memory_ == nullptr) throw std::runtime_error("no device memory for activations");
}

floats::floats(backend& device, std::vector<float> const& values) : floats(device, values.size()) {
  device.upload(values, memory_);
}

std::vector<float> floats::read() const {
  std::vector<float> values(count_);
  device_.download(memory_, values);
  must(device_.synchronize(), "a download");
  return values;
}

std::unique_ptr<packed_weight> prepared(backend& device, tensor_view const& tensor) {
  auto weight = device.prepare(tensor, {0, tensor.rows}, {0, tensor.columns});
  if (!weight) refuse("a weight", weight.failure());
  return std::move(*weight);
}

std::unique_ptr<kv_memory> made_kv(backend& device, kv_shape const& shape) {
  auto kv = device.create_kv_memory(shape);
  if (!kv) refuse("KV memory", kv.failure());
  return std::move(*kv);
}

sequences::sequences(std::uint32_t count, std::uint32_t tokens, std::uint32_t position,
                     std::uint32_t block_tokens)
    : tokens_(count * tokens) {
  auto const each = (position + tokens + block_tokens - 1) / block_tokens;
  // Neighbouring blocks of a sequence lie apart, as they do after a while of serving.
  for (std::uint32_t i = 0; i < count; ++i)
    for (std::uint32_t block = 0; block < each; ++block) blocks_.push_back(block * count + i);
  for (std::uint32_t i = 0; i < count; ++i)
    spans_.push_back({i * tokens, tokens, position, std::span(blocks_).subspan(std::size_t{i} * each, each)});
}

void must(result<void> const& done, char const* doing) {
  if (!done) refuse(doing, done.failure());
}

} // namespace mayfly::gpu::check
