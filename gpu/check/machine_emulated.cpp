#include "gpu/check/machine.hpp"
#include "gpu/kernels/emulation/queue.hpp"

namespace mayfly::gpu::check {
namespace {

constexpr std::size_t emulated_bytes = std::size_t{64} << 20U;

} // namespace

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

machine_facts facts() { return {false, "emulated on a processor", emulated_bytes, 0, 4}; }

std::size_t free_bytes() { return emulated_bytes; }

std::function<bool()> idleness_of(cuda::device_queue&) {
  return [] { return true; };
}

} // namespace mayfly::gpu::check
