#include "gpu/kernels/emulation/queue.hpp"

#include "gpu/formats/half.hpp"
#include "gpu/kernels/emulation/block.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace mayfly::gpu::emulation {
namespace {

using cuda::dense_product;
using cuda::memory_place;
using cuda::number_format;

constexpr std::size_t alignment = 256;

class kept_work final : public cuda::recording {
public:
  explicit kept_work(std::vector<std::function<void()>> recorded) : work(std::move(recorded)) {}
  std::vector<std::function<void()>> work;
};

void decode(number_format format, void const* from, std::size_t count, float* out) {
  if (format == number_format::f32) {
    std::memcpy(out, from, count * sizeof(float));
    return;
  }
  auto const* const bits = static_cast<std::uint16_t const*>(from);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = format == number_format::bf16 ? bfloat_to_float(bits[i]) : half_to_float(bits[i]);
}

std::size_t bytes_of(number_format format) { return format == number_format::f32 ? 4 : 2; }

/// Eight running sums a dot product, so that the compiler may keep them in one register.
float dot(float const* a, float const* b, std::size_t count) {
  float sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  float total = 0;
  for (; i < count; ++i) total += a[i] * b[i];
  for (auto const sum : sums) total += sum;
  return total;
}

void multiply_plainly(dense_product const& product) {
  std::vector<float> x(product.tokens * product.columns);
  decode(product.format, product.x, x.size(), x.data());
  std::vector<float> row(product.columns);
  for (std::size_t r = 0; r < product.rows; ++r) {
    decode(product.format,
           static_cast<std::byte const*>(product.weight) +
               r * product.weight_stride * bytes_of(product.format),
           row.size(), row.data());
    for (std::size_t token = 0; token < product.tokens; ++token) {
      auto& sum = product.sums[token * product.sums_stride + r];
      sum =
          (product.adds ? sum : 0.0F) + dot(row.data(), x.data() + token * product.columns, product.columns);
    }
  }
}

} // namespace

emulated_queue::~emulated_queue() {
  for (auto const& [memory, span] : memory_) std::free(memory);
}

std::byte* emulated_queue::allocate(std::size_t bytes, memory_place place) noexcept {
  if (place == memory_place::device && bytes > faults_.memory_bytes - used_bytes_) return nullptr;
  auto const rounded = (bytes + alignment - 1) / alignment * alignment;
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (memory == nullptr) return nullptr;
  std::memset(memory, 0xFF, rounded); // a device's memory holds what others left
  memory_[memory] = {memory, bytes, place};
  if (place == memory_place::device) used_bytes_ += bytes;
  return memory;
}

void emulated_queue::free(std::byte* memory, memory_place place) noexcept {
  auto const known = memory_.find(memory);
  if (known == memory_.end()) return;
  if (place == memory_place::device) used_bytes_ -= known->second.bytes;
  memory_.erase(known);
  std::free(memory);
}

/// Those have deadlines of their own, far below this one.
void emulated_queue::await_others() {
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (under_way_ != 0 && broken_.empty()) {
    if (std::chrono::steady_clock::now() > until) broken_ = "others' work on the stream does not end";
    std::this_thread::yield();
  }
}

void emulated_queue::run(std::function<void()> const& work) {
  await_others();
  if (!broken_.empty()) return; // a device that failed runs nothing more
  try {
    work();
  } catch (fault const& what) {
    broken_ = what.what();
  }
}

void emulated_queue::enqueue(std::function<void()> work) {
  if (recording_)
    recorded_.push_back(std::move(work));
  else
    run(work);
}

void emulated_queue::copy(void* to, void const* from, std::size_t bytes) {
  if (bytes != 0) enqueue([=] { std::memcpy(to, from, bytes); });
}

void emulated_queue::clear(void* memory, std::size_t bytes) {
  if (faults_.clears_nothing || bytes == 0) return;
  enqueue([=] { std::memset(memory, 0, bytes); });
}

void emulated_queue::multiply(dense_product const& product) {
  enqueue([=] { multiply_plainly(product); });
}

bool emulated_queue::begin_recording() {
  recording_ = faults_.records;
  recorded_.clear();
  return recording_;
}

std::unique_ptr<cuda::recording> emulated_queue::end_recording() {
  recording_ = false;
  return std::make_unique<kept_work>(std::exchange(recorded_, {}));
}

void emulated_queue::replay(cuda::recording& recorded) {
  ++replays_;
  for (auto const& work : static_cast<kept_work&>(recorded).work) run(work);
}

result<void> emulated_queue::wait() {
  await_others();
  if (!broken_.empty()) return error{errc::backend_failed, "a kernel broke a rule of the emulated device", 0};
  return {};
}

std::vector<memory_span> emulated_queue::memory() const {
  std::vector<memory_span> all;
  for (auto const& [memory, span] : memory_) all.push_back(span);
  return all;
}

} // namespace mayfly::gpu::emulation
