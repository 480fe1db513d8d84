#include "gpu/check/machine.hpp"
#include "gpu/kernels/emulation/queue.hpp"

namespace mayfly::gpu::check {
std::unique_ptr<cuda::device_queue> open_queue(machine_faults const& faults) {
  emulation::queue_faults told;
  told.clears_nothing = faults.clears_nothing;
  told.records = !faults.records_nothing;
  return std::make_unique<emulation::emulated_queue>(told);
}

std::unique_ptr<cuda::cuda_backend> open_backend(machine_faults const& faults) {
  cuda::cuda_options const small{std::size_t{1} << 20U, std::size_t{64} << 10U, std::size_t{4} << 10U, 1};
  return std::make_unique<cuda::cuda_backend>(open_queue(faults), small);
}

bool is_real() noexcept { return false; }

} // namespace mayfly::gpu::check
