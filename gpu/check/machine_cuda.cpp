#include "gpu/check/machine.hpp"
#include "gpu/kernels/cuda/runtime_queue.hpp"

#include <cstdio>
#include <cuda_runtime_api.h>

namespace mayfly::gpu::check {
namespace {

/// The real queue, but for what it is told to leave out.
class faulty_queue final : public cuda::device_queue {
public:
  faulty_queue(std::unique_ptr<cuda::device_queue> real, machine_faults const& faults)
      : real_(std::move(real)), faults_(faults) {}

  literal name() const noexcept override { return real_->name(); }
  unsigned processors() const noexcept override { return real_->processors(); }
  std::byte* allocate(std::size_t bytes, cuda::memory_place place) noexcept override {
    return real_->allocate(bytes, place);
  }
  void free(std::byte* memory, cuda::memory_place place) noexcept override { real_->free(memory, place); }
  void copy(void* to, void const* from, std::size_t bytes) override { real_->copy(to, from, bytes); }
  void clear(void* memory, std::size_t bytes) override {
    if (!faults_.clears_nothing) real_->clear(memory, bytes);
  }
  void multiply(cuda::dense_product const& product) override { real_->multiply(product); }
  bool begin_recording() override { return !faults_.records_nothing && real_->begin_recording(); }
  std::unique_ptr<cuda::recording> end_recording() override { return real_->end_recording(); }
  void replay(cuda::recording& recorded) override { real_->replay(recorded); }
  result<void> wait() override { return real_->wait(); }
  std::uint64_t device_bytes() const noexcept override { return real_->device_bytes(); }
  bool is_idle() const noexcept override { return real_->is_idle(); }
  void mark() noexcept override { real_->mark(); }
  std::uint64_t marks_done() noexcept override { return real_->marks_done(); }
  void* native() const noexcept override { return real_->native(); }
  void note(int status) noexcept override { real_->note(status); }

private:
  std::unique_ptr<cuda::device_queue> real_;
  machine_faults const& faults_;
};

} // namespace

std::unique_ptr<cuda::device_queue> open_queue(machine_faults const& faults) {
  auto made = cuda::make_runtime_queue(0);
  if (made) return std::make_unique<faulty_queue>(std::move(*made), faults);
  auto const what = made.failure().what.view();
  std::fprintf(stderr, "%.*s %lld\n", static_cast<int>(what.size()), what.data(),
               static_cast<long long>(made.failure().number));
  return nullptr;
}

std::unique_ptr<cuda::cuda_backend> open_backend(machine_faults const& faults) {
  auto queue = open_queue(faults);
  if (queue == nullptr) return nullptr;
  return std::make_unique<cuda::cuda_backend>(std::move(queue), cuda::cuda_options{});
}

bool is_real() noexcept { return true; }

} // namespace mayfly::gpu::check
