// The emulator itself: it computes what CUDA would, and catches what CUDA would leave undefined. Every fault
// here is planted.
#include "gpu/kernels/cuda/device.cuh"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace mayfly::gpu::cuda {
namespace {

enum class barrier : std::uint8_t { kept, left_out };

/// Each thread takes over what its neighbour left in shared memory.
void rotate_through_shared(barrier between, std::vector<float>& out) {
  emulation::run_grid({{1, 1, 1}, 64, 64 * sizeof(float)}, [&] {
    auto* const shared = shared_memory<float>();
    shared[threadIdx.x] = static_cast<float>(threadIdx.x);
    if (between == barrier::kept) __syncthreads();
    out[threadIdx.x] = shared[(threadIdx.x + 1) % 64];
  });
}

/// What the emulator says of a kernel that breaks a rule; empty if nothing.
std::string verdict(unsigned threads, std::function<void()> const& kernel) {
  try {
    emulation::run_grid({{1, 1, 1}, threads, 0}, kernel);
  } catch (emulation::fault const& found) {
    return found.what();
  }
  return {};
}

} // namespace

TEST_CASE("threads of a block meet at a barrier and see what each wrote before it") {
  std::vector<float> out(64);
  rotate_through_shared(barrier::kept, out);
  for (std::size_t i = 0; i < 64; ++i) CHECK(out[i] == static_cast<float>((i + 1) % 64));
}

TEST_CASE("a missing barrier shows: shared memory starts as NaN and threads run in any order") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    std::vector<float> out(64);
    emulation::seed_order(seed);
    rotate_through_shared(barrier::left_out, out);
    CHECK(std::any_of(out.begin(), out.end(), [](float each) { return std::isnan(each); }));
  }
  emulation::seed_order(0);
}

TEST_CASE(
    "a missing barrier between reading and writing again shows too: some warp gets ahead of the others") {
  auto const wrong_reads = [](barrier between) {
    int wrong = 0;
    emulation::run_grid({{1, 1, 1}, 128, 128 * sizeof(float)}, [&] {
      auto* const shared = shared_memory<float>();
      for (float round = 0; round < 2; ++round) {
        shared[threadIdx.x] = round;
        __syncthreads();
        if (shared[(threadIdx.x + 64) % 128] != round) ++wrong;
        if (between == barrier::kept)
          __syncthreads();
        else
          __syncwarp();
      }
    });
    return wrong;
  };
  int wrong = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    emulation::seed_order(seed);
    CHECK(wrong_reads(barrier::kept) == 0);
    wrong += wrong_reads(barrier::left_out);
  }
  CHECK(wrong > 0);
  emulation::seed_order(0);
}

TEST_CASE("the order of threads is drawn anew with each seed") {
  auto const order_of = [](std::uint64_t seed) {
    std::vector<unsigned> order;
    emulation::seed_order(seed);
    emulation::run_grid({{1, 1, 1}, 64, 0}, [&] { order.push_back(threadIdx.x); });
    return order;
  };
  auto const first = order_of(1);
  CHECK(first == order_of(1));
  CHECK(first != order_of(2));
  emulation::seed_order(0);
}

// Kernels stand outside of CHECK: within a macro every line is the same place.
TEST_CASE("a barrier that some threads go around is a fault, and so are two barriers at once") {
  auto const around = [] {
    if (threadIdx.x < 32) __syncthreads();
  };
  auto const two = [] {
    if (threadIdx.x < 32)
      __syncthreads();
    else
      __syncthreads();
  };
  CHECK(verdict(64, around).starts_with("divergent barrier: thread "));
  CHECK(verdict(64, two).starts_with("divergent barrier: at emulation_test.cpp:"));
}

TEST_CASE("a shuffle that some lanes go around is a fault, and so is one that is met by another") {
  auto const around = [] {
    if (threadIdx.x != 7) static_cast<void>(__shfl_xor_sync(all_lanes, 1, 1U));
  };
  auto const another = [] {
    if (threadIdx.x % 2 == 0)
      static_cast<void>(__shfl_xor_sync(all_lanes, 1, 1U));
    else
      __syncwarp();
  };
  auto const outside = [] { static_cast<void>(__shfl_xor_sync(1U, 1, 1U)); };
  CHECK(verdict(32, around).starts_with("divergent warp: thread "));
  CHECK(verdict(32, another).starts_with("divergent warp: at emulation_test.cpp:"));
  CHECK(verdict(32, outside).starts_with("a lane outside"));
}

TEST_CASE("after a fault the emulator runs the next kernel as ever") {
  auto const broken = [] {
    if (threadIdx.x == 3) __syncthreads();
  };
  CHECK_FALSE(verdict(64, broken).empty());
  CHECK(verdict(64, [] { __syncthreads(); }).empty());
}

TEST_CASE("collectives of a warp give every lane what CUDA's do") {
  std::vector<unsigned> across(64), below(64), sums(64), votes(64), from_five(64);
  emulation::run_grid({{1, 1, 1}, 64, 0}, [&] {
    unsigned const lane = threadIdx.x % 32;
    across[threadIdx.x] = __shfl_xor_sync(all_lanes, threadIdx.x, 4U);
    below[threadIdx.x] = __shfl_up_sync(all_lanes, threadIdx.x, 3U);
    from_five[threadIdx.x] = __shfl_sync(all_lanes, threadIdx.x, 5U);
    votes[threadIdx.x] = __ballot_sync(all_lanes, lane % 3 == 0);
    sums[threadIdx.x] = warp_sum(threadIdx.x);
  });
  for (unsigned i = 0; i < 64; ++i) {
    CHECK(across[i] == (i ^ 4U));
    CHECK(below[i] == (i % 32 < 3 ? i : i - 3));
    CHECK(from_five[i] == i / 32 * 32 + 5);
    CHECK(votes[i] == 0x49249249U);
    CHECK(sums[i] == (i < 32 ? 496U : 1520U));
  }
}

TEST_CASE("an mma multiplies matrices that lie as the PTX manual says") {
  // a[r][k] = r + k / 16, b[k][c] = k - 4 * c: small enough that bf16 and f16 hold them exactly.
  auto const a_at = [](unsigned r, unsigned k) { return static_cast<float>(r) + static_cast<float>(k) / 16; };
  auto const b_at = [](unsigned k, unsigned c) { return static_cast<float>(k) - 4 * static_cast<float>(c); };
  for (auto const kind : {factor::bf16, factor::f16}) {
    std::vector<float> out(16 * 8);
    emulation::run_grid({{1, 1, 1}, 32, 0}, [&] {
      auto const pair = [&](float low, float high) {
        return kind == factor::bf16 ? bfloat_pair(low, high) : half_pair(low, high);
      };
      unsigned const g = threadIdx.x / 4;
      unsigned const t = threadIdx.x % 4;
      auto const a_pair = [&](unsigned r, unsigned k) { return pair(a_at(r, k), a_at(r, k + 1)); };
      float sums[4] = {1, 2, 3, 4};
      auto const run = [&](auto multiply) {
        multiply(sums, a_pair(g, 2 * t), a_pair(g + 8, 2 * t), a_pair(g, 2 * t + 8), a_pair(g + 8, 2 * t + 8),
                 pair(b_at(2 * t, g), b_at(2 * t + 1, g)), pair(b_at(2 * t + 8, g), b_at(2 * t + 9, g)));
      };
      if (kind == factor::bf16)
        run([](float(&to)[4], auto... operands) { multiply_tiles<factor::bf16>(to, operands...); });
      else
        run([](float(&to)[4], auto... operands) { multiply_tiles<factor::f16>(to, operands...); });
      for (unsigned i = 0; i < 4; ++i)
        out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i] - static_cast<float>(i + 1);
    });
    for (unsigned r = 0; r < 16; ++r) {
      for (unsigned c = 0; c < 8; ++c) {
        float expected = 0;
        for (unsigned k = 0; k < 16; ++k) expected += a_at(r, k) * b_at(k, c);
        CHECK(out[r * 8 + c] == Approx(expected).margin(1e-3));
      }
    }
  }
}

TEST_CASE("floats round to bf16 and f16 to nearest even, NaN and infinity keep what they are") {
  CHECK(bfloat_pair(1.0F, -2.0F) == 0xC0003F80U);
  CHECK(bfloat_pair(1.00390625F, 1.01171875F) == 0x3F823F80U); // halfway: to even, down and up
  CHECK(std::isnan(low_bfloat(bfloat_pair(std::numeric_limits<float>::quiet_NaN(), 0))));
  CHECK(std::isinf(low_bfloat(bfloat_pair(std::numeric_limits<float>::infinity(), 0))));
  CHECK(half_pair(1.0F, 1e9F) == 0x7BFF3C00U); // clamped
}

#if defined(__SANITIZE_ADDRESS__)
namespace {

/// How a child ends that runs `kernel`: 0 if in peace.
int ending_of(std::function<void()> const& kernel) {
  auto const child = fork();
  if (child == 0) {
    auto const nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    emulation::run_grid({{1, 1, 1}, 32, 32 * sizeof(float)}, kernel);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

} // namespace

TEST_CASE(
    "AddressSanitizer sees a read beyond shared memory, beyond a buffer, and beyond a thread's own array") {
  std::vector<float> buffer(32);
  unsigned volatile beyond = 32;
  float sink = 0;
  CHECK(ending_of([&] { sink += shared_memory<float>()[threadIdx.x]; }) == 0);
  CHECK(ending_of([&] { sink += shared_memory<float>()[threadIdx.x + 1]; }) != 0);
  CHECK(ending_of([&] { sink += buffer.data()[threadIdx.x]; }) == 0);
  CHECK(ending_of([&] { sink += buffer.data()[threadIdx.x + 1]; }) != 0);
  CHECK(ending_of([&] {
          float own[32] = {};
          sink += static_cast<float const volatile*>(own)[beyond];
        }) != 0);
}
#endif

} // namespace mayfly::gpu::cuda
