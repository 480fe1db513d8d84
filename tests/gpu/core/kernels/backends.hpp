#pragma once
// The backends that this machine can run, and device memory that frees itself.
#include "gpu/kernels/backend.hpp"
#include "gpu/kernels/cuda/cuda_backend.hpp"
#include "gpu/kernels/emulation/queue.hpp"

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

/// The CUDA backend over the emulation, in regions that are quick to fill.
inline cuda::cuda_options small_cuda_options() {
  return {std::size_t{1} << 20U, std::size_t{64} << 10U, std::size_t{4} << 10U, 1};
}
inline std::unique_ptr<cuda::cuda_backend> emulated_cuda(emulation::queue_faults const& faults = {}) {
  return std::make_unique<cuda::cuda_backend>(std::make_unique<emulation::emulated_queue>(faults),
                                              small_cuda_options());
}

/// What the contract runs on: processors with an instruction set, or CUDA, emulated.
struct tested_device {
  instruction_set instructions = instruction_set::best;
  bool cuda = false;
};
inline std::vector<tested_device> available_devices() {
  std::vector<tested_device> devices;
  for (auto const each : available_sets()) devices.push_back({each});
  devices.push_back({instruction_set::best, true});
  return devices;
}
inline std::unique_ptr<backend> backend_for(tested_device device, unsigned threads) {
  if (device.cuda) return emulated_cuda();
  return backend_for(device.instructions, threads);
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
