#include "gpu/kernels/cuda/runtime_queue.hpp"

#include "gpu/kernels/cuda/library_products.hpp"

#include <array>
#include <cuda_runtime_api.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace mayfly::gpu::cuda {
namespace {

class runtime_recording final : public recording {
public:
  explicit runtime_recording(cudaGraphExec_t work) : work_(work) {}
  ~runtime_recording() override { cudaGraphExecDestroy(work_); }
  runtime_recording(runtime_recording const&) = delete;
  runtime_recording& operator=(runtime_recording const&) = delete;
  cudaGraphExec_t work() const noexcept { return work_; }

private:
  cudaGraphExec_t work_;
};

/// Pinned memory holds content: it is never swapped, and must not be dumped either.
void leave_out_of_dumps(void* memory, std::size_t bytes) {
  auto const page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto const begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  auto const end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / page * page;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTDUMP);
}

class runtime_queue final : public device_queue {
public:
  runtime_queue(std::uint32_t device, cudaStream_t stream, unsigned processors)
      : device_(static_cast<int>(device)), stream_(stream), processors_(processors) {
    std::size_t free = 0;
    if (cudaMemGetInfo(&free, &device_bytes_) != cudaSuccess) device_bytes_ = 0;
  }
  ~runtime_queue() override {
    cudaSetDevice(device_);
    for (auto* const event : events_)
      if (event != nullptr) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }
  runtime_queue(runtime_queue const&) = delete;
  runtime_queue& operator=(runtime_queue const&) = delete;

  literal name() const noexcept override { return "cuda"; }
  unsigned processors() const noexcept override { return processors_; }
  std::uint64_t device_bytes() const noexcept override { return device_bytes_; }

  std::byte* allocate(std::size_t bytes, memory_place place) noexcept override {
    void* memory = nullptr;
    cudaSetDevice(device_);
    auto const status = place == memory_place::device ? cudaMalloc(&memory, bytes)
                                                      : cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
    if (status != cudaSuccess) {
      cudaGetLastError(); // told by null
      return nullptr;
    }
    if (place == memory_place::pinned) leave_out_of_dumps(memory, bytes);
    return static_cast<std::byte*>(memory);
  }

  void free(std::byte* memory, memory_place place) noexcept override {
    if (memory == nullptr) return;
    cudaSetDevice(device_);
    note(static_cast<int>(place == memory_place::device ? cudaFree(memory) : cudaFreeHost(memory)));
  }

  void copy(void* to, void const* from, std::size_t bytes) override {
    if (bytes != 0) note(static_cast<int>(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream())));
  }
  void clear(void* memory, std::size_t bytes) override {
    if (bytes != 0) note(static_cast<int>(cudaMemsetAsync(memory, 0, bytes, stream())));
  }
  void multiply(dense_product const& product) override {
    auto* const on = stream();
    auto const status = products_.run(product, on);
    if (status != 0 && library_status_ == 0) library_status_ = status;
  }

  bool begin_recording() override {
    auto const status = cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal);
    if (status != cudaSuccess) cudaGetLastError(); // it runs as ever
    return status == cudaSuccess;
  }
  std::unique_ptr<recording> end_recording() override {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t work = nullptr;
    auto status = cudaStreamEndCapture(stream(), &graph);
    if (status == cudaSuccess) status = cudaGraphInstantiate(&work, graph, 0);
    if (graph != nullptr) cudaGraphDestroy(graph);
    note(static_cast<int>(status));
    if (status != cudaSuccess) return nullptr;
    return std::make_unique<runtime_recording>(work);
  }
  void replay(recording& recorded) override {
    note(static_cast<int>(cudaGraphLaunch(static_cast<runtime_recording&>(recorded).work(), stream())));
  }

  result<void> wait() override {
    note(static_cast<int>(cudaStreamSynchronize(stream())));
    auto const status = std::exchange(status_, 0);
    auto const library_status = std::exchange(library_status_, 0);
    if (status != 0) return error{errc::backend_failed, "CUDA failed (cudaError)", status};
    if (library_status != 0)
      return error{errc::backend_failed, "cuBLASLt failed (cublasStatus)", library_status};
    return {};
  }

  void mark() noexcept override {
    std::lock_guard const lock(marking_);
    if (marks_ - passed_ == events_.size()) return; // those that are left show progress enough
    auto& event = events_[marks_ % events_.size()];
    if (event == nullptr && cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess) return;
    if (cudaEventRecord(event, stream()) == cudaSuccess) ++marks_;
  }
  std::uint64_t marks_done() noexcept override {
    std::lock_guard const lock(marking_);
    while (passed_ < marks_ && cudaEventQuery(events_[passed_ % events_.size()]) != cudaErrorNotReady)
      ++passed_;
    return passed_;
  }

  bool is_idle() const noexcept override { return cudaStreamQuery(stream_) != cudaErrorNotReady; }

  /// Kernels go to the device that is current in the calling thread.
  void* native() const noexcept override {
    cudaSetDevice(device_);
    return stream_;
  }
  void note(int status) noexcept override {
    if (status != 0 && status_ == 0) status_ = status;
  }

private:
  cudaStream_t stream() const noexcept { return static_cast<cudaStream_t>(native()); }

  int device_;
  cudaStream_t stream_;
  unsigned processors_;
  std::size_t device_bytes_ = 0;
  std::mutex marking_;
  std::array<cudaEvent_t, 32> events_{};
  std::uint64_t marks_ = 0;
  std::uint64_t passed_ = 0;
  library_products products_;
  int status_ = 0; ///< the first since the last wait
  int library_status_ = 0;
};

} // namespace

result<std::unique_ptr<device_queue>> make_runtime_queue(std::uint32_t device) {
  auto const failed = [](cudaError_t status) {
    return error{errc::backend_failed, "CUDA could not open the device (cudaError)",
                 static_cast<std::int64_t>(status)};
  };
  auto const index = static_cast<int>(device);
  if (auto const status = cudaSetDevice(index); status != cudaSuccess) return failed(status);
  int processors = 0;
  if (auto const status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, index);
      status != cudaSuccess)
    return failed(status);
  cudaStream_t stream = nullptr;
  if (auto const status = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking); status != cudaSuccess)
    return failed(status);
  return std::unique_ptr<device_queue>(
      std::make_unique<runtime_queue>(device, stream, static_cast<unsigned>(processors)));
}

} // namespace mayfly::gpu::cuda
