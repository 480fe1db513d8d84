#pragma once
// The backends that this machine can run, and device memory that frees itself.
#include "gpu/kernels/backend.hpp"

#include <memory>
#include <stdexcept>
#include <vector>

namespace mayfly::gpu::testing {

/// Every instruction set that this machine has.
inline std::vector<instruction_set> available_sets() {
  std::vector<instruction_set> sets;
  for (auto const each : {instruction_set::portable, instruction_set::avx2, instruction_set::avx512}) {
    if (make_cpu_backend({1, each})) sets.push_back(each);
  }
  return sets;
}

inline std::unique_ptr<backend> backend_for(instruction_set instructions, unsigned threads) {
  auto made = make_cpu_backend({threads, instructions});
  if (!made) throw std::logic_error("no backend");
  return std::move(made).value();
}

/// Activations on a device.
class device_floats {
public:
  device_floats(backend& device, std::size_t count)
      : device_(device), memory_(device.allocate(count)), count_(count) {}
  device_floats(backend& device, std::vector<float> const& values) : device_floats(device, values.size()) {
    device.upload(values, memory_);
  }
  ~device_floats() { device_.release(memory_, count_); }
  device_floats(device_floats const&) = delete;
  device_floats& operator=(device_floats const&) = delete;

  float* get() const { return memory_; }
  std::vector<float> read() const {
    std::vector<float> values(count_);
    device_.download(memory_, values);
    return values;
  }

private:
  backend& device_;
  float* memory_;
  std::size_t count_;
};

inline std::unique_ptr<packed_weight> prepared(backend& device, tensor_view const& tensor) {
  auto weight = device.prepare(tensor, {0, tensor.rows}, {0, tensor.columns});
  if (!weight) throw std::logic_error("cannot prepare");
  return std::move(weight).value();
}

} // namespace mayfly::gpu::testing
