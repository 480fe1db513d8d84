// What the CPU kernels reach, against what the machine gives in the same seconds. Each figure alternates with
// a plain read loop over as many bytes (or, for products of many tokens, stands alone), and the best of
// several rounds counts: the machine may be shared.
//
//   bench_kernels [threads]
#include "gpu/formats/block_layout.hpp"
#include "gpu/kernels/backend.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace {

using namespace mayfly;
using namespace mayfly::gpu;
using steady = std::chrono::steady_clock;

constexpr std::size_t columns = 2048;
constexpr std::size_t rows = 32768; // 64 Mi weights: beyond the caches
constexpr int rounds = 5;

struct named_type {
  tensor_type type;
  char const* name;
};
constexpr named_type types[] = {
    {tensor_type::q8_0, "Q8_0"}, {tensor_type::q4_0, "Q4_0"}, {tensor_type::q4_1, "Q4_1"},
    {tensor_type::q5_0, "Q5_0"}, {tensor_type::q5_1, "Q5_1"}, {tensor_type::q4_k, "Q4_K"},
    {tensor_type::q5_k, "Q5_K"}, {tensor_type::q6_k, "Q6_K"}, {tensor_type::bf16, "BF16"},
    {tensor_type::f16, "F16"},
};

template <class Work>
double seconds_of(Work&& work) {
  auto const start = steady::now();
  work();
  return std::chrono::duration<double>(steady::now() - start).count();
}

/// Reads memory in as many threads as the backend has, one contiguous part each.
class read_loop {
public:
  read_loop(std::size_t bytes, unsigned threads) : bytes_(bytes), threads_(threads) {
    memory_ = static_cast<std::byte*>(
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED) std::abort();
    ::madvise(memory_, bytes, MADV_HUGEPAGE);
    std::memset(memory_, 1, bytes);
  }
  ~read_loop() { ::munmap(memory_, bytes_); }
  read_loop(read_loop const&) = delete;
  read_loop& operator=(read_loop const&) = delete;

  double bytes_per_second() const {
    auto const part = bytes_ / threads_ / 512 * 512;
    std::vector<std::uint64_t> sums(threads_ * 8);
    auto const seconds = seconds_of([&] {
      std::vector<std::thread> workers;
      for (unsigned i = 0; i < threads_; ++i) {
        workers.emplace_back([&, i] { sums[i * 8] = sum(memory_ + i * part, part); });
      }
      for (auto& worker : workers) worker.join();
    });
    if (sums[0] == 0) std::abort(); // keeps the loop alive
    return static_cast<double>(part * threads_) / seconds;
  }

private:
  static std::uint64_t sum(std::byte const* from, std::size_t bytes) {
    // Eight streams of sums, one cache line a step; the processor's prefetcher does the rest.
    std::uint64_t lanes[8] = {};
    for (std::size_t at = 0; at < bytes; at += 64) {
      __builtin_prefetch(from + at + 6 * 1024);
      for (std::size_t i = 0; i < 8; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, from + at + i * 8, sizeof word);
        lanes[i] += word;
      }
    }
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
  }

  std::size_t bytes_;
  unsigned threads_;
  std::byte* memory_;
};

struct measured {
  double weight_bytes_per_second = 0;
  double read_bytes_per_second = 0;
  double macs_per_second = 0;
};

measured measure(backend& device, packed_weight const& weight, read_loop const& memory) {
  std::size_t constexpr tokens = 128;
  float* const x = device.allocate(tokens * columns);
  float* const out = device.allocate(tokens * rows);
  if (x == nullptr || out == nullptr) std::abort();
  for (std::size_t i = 0; i < tokens * columns; ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
  packed_weight const* const weights[] = {&weight};
  float* const outs[] = {out};
  measured best;
  for (int round = 0; round < rounds; ++round) {
    best.read_bytes_per_second = std::max(best.read_bytes_per_second, memory.bytes_per_second());
    auto const vector = seconds_of([&] { device.multiply(weights, x, 1, outs); });
    auto const rate = static_cast<double>(weight.size_bytes()) / vector;
    best.weight_bytes_per_second = std::max(best.weight_bytes_per_second, rate);
    auto const matrix = seconds_of([&] { device.multiply(weights, x, tokens, outs); });
    best.macs_per_second =
        std::max(best.macs_per_second, static_cast<double>(rows * columns * tokens) / matrix);
  }
  device.release(x, tokens * columns);
  device.release(out, tokens * rows);
  return best;
}

} // namespace

int main(int count, char** arguments) {
  unsigned const asked = count > 1 ? static_cast<unsigned>(std::strtoul(arguments[1], nullptr, 10)) : 0;
  unsigned const threads = asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
  auto device = make_cpu_backend({threads, instruction_set::best});
  if (!device) return 1;
  std::printf("%s, %u threads, %zu x %zu weights\n", (*device)->name().view().data(), threads, rows, columns);
  std::printf("type   x 1 token GB/s   read loop GB/s      %%   x 128 tokens GMAC/s\n");
  read_loop const memory(rows * columns, threads);
  for (auto const& [type, name] : types) {
    auto const layout = layout_of(type).value_or(block_layout{});
    std::vector<std::byte> const bytes(rows * row_bytes(layout, columns), std::byte{17});
    auto weight = (*device)->prepare({type, rows, columns, bytes}, {0, rows}, {0, columns});
    if (!weight) return 1;
    auto const best = measure(**device, **weight, memory);
    std::printf("%-5s %16.1f %16.1f %6.0f %21.0f\n", name, best.weight_bytes_per_second / 1e9,
                best.read_bytes_per_second / 1e9,
                100 * best.weight_bytes_per_second / best.read_bytes_per_second, best.macs_per_second / 1e9);
  }
  return 0;
}
