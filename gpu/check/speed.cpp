#include "gpu/check/speed.hpp"

#include "gpu/check/probes.hpp"
#include "gpu/formats/half.hpp"
#include "tests/gpu/core/kernels/reference.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <vector>

namespace mayfly::gpu::check {

using steady = std::chrono::steady_clock;

double seconds_of(bench const& on, unsigned times, std::function<void(unsigned)> const& work) {
  auto const enqueue = [&] {
    for (unsigned i = 0; i < times; ++i) work(i);
  };
  enqueue(); // libraries choose their algorithms, workspaces grow
  must(on.queue.wait(), "a first run");
  std::unique_ptr<cuda::recording> recorded;
  if (on.queue.begin_recording()) {
    enqueue();
    recorded = on.queue.end_recording();
    if (recorded == nullptr) throw std::runtime_error("what was measured could not be recorded");
  }
  std::vector<double> all;
  for (int round = 0; round < on.size(7, 1); ++round) {
    auto const start = steady::now();
    recorded != nullptr ? on.queue.replay(*recorded) : enqueue();
    must(on.queue.wait(), "a measured run");
    all.push_back(std::chrono::duration<double>(steady::now() - start).count() / times);
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

void tell_share(bench const& on, figure const& measured) {
  if (!is_real()) return tell_held("speed", measured.what + " runs", true);
  finding found;
  found.part = "speed";
  found.what = measured.what;
  bool const operations = measured.of == "matrix peak";
  found.value = measured.amount / measured.seconds / (operations ? 1e12 : 1e9);
  found.unit = operations ? "TFLOP/s" : "GB/s";
  if (measured.limit > 0) found.share = measured.amount / measured.seconds / measured.limit;
  found.of = measured.of;
  found.goal = measured.goal;
  tell(found);
}

void tell_time(bench const& on, std::string const& what, double seconds, std::optional<double> goal_us) {
  if (!is_real()) return tell_held("speed", what + " runs", true);
  finding found;
  found.part = "speed";
  found.what = what;
  found.value = seconds * 1e6;
  found.unit = "us";
  found.goal = goal_us;
  found.goal_is_most = true;
  tell(found);
}

namespace {

/// Fills the memory with numbers between -1 and 1: zeros would flatter a device that saves power.
void fill(bench const& on) {
  auto const piece = std::min<std::size_t>(on.random_bytes, std::size_t{32} << 20U);
  auto* const pinned = on.queue.allocate(piece, cuda::memory_place::pinned);
  if (pinned == nullptr) throw std::runtime_error("no pinned memory");
  testing::random_numbers random(7);
  auto* const halves = reinterpret_cast<std::uint16_t*>(pinned);
  for (std::size_t i = 0; i < piece / 2; ++i) halves[i] = float_to_half_clamped(random.uniform());
  for (std::size_t at = 0; at < on.random_bytes; at += piece)
    on.queue.copy(on.random + at, pinned, std::min(piece, on.random_bytes - at));
  must(on.queue.wait(), "filling memory");
  on.queue.free(pinned, cuda::memory_place::pinned);
}

void measure_memory(bench& on) {
  auto const half = on.random_bytes / 2;
  auto* const sum = reinterpret_cast<std::uint32_t*>(on.queue.allocate(256, cuda::memory_place::device));
  auto const wiped = seconds_of(on, on.size(4U, 1U), [&](unsigned) { on.queue.clear(on.random, half); });
  auto const copied =
      seconds_of(on, on.size(4U, 1U), [&](unsigned) { on.queue.copy(on.random, on.random + half, half); });
  auto const read =
      seconds_of(on, on.size(4U, 1U), [&](unsigned) { read_all(on.queue, on.random, on.random_bytes, sum); });
  on.queue.free(reinterpret_cast<std::byte*>(sum), cuda::memory_place::device);
  on.measured.copy = 2 * static_cast<double>(half) / copied;
  on.measured.read = static_cast<double>(on.random_bytes) / read;
  tell_share(on, {"memset", wiped, static_cast<double>(half), 0, "", {}});
  tell_share(on, {"copy, read and written", copied, 2 * static_cast<double>(half), 0, "", {}});
  tell_share(on, {"read", read, static_cast<double>(on.random_bytes), 0, "", {}});
}

int run() {
  auto const device = open_backend();
  if (device == nullptr) return 2;
  bench on{*device, device->queue(), nullptr, 0, {}};
  on.random_bytes = on.size(std::size_t{4} << 30U, std::size_t{8} << 20U);
  on.random = on.queue.allocate(on.random_bytes, cuda::memory_place::device);
  if (on.random == nullptr) throw std::runtime_error("no device memory");
  fill(on);
  measure_memory(on);
  measure_products(on);
  measure_steps(on);
  must(device->synchronize(), "the device");
  on.queue.free(on.random, cuda::memory_place::device);
  return outcome();
}

} // namespace
} // namespace mayfly::gpu::check

int main() try { return mayfly::gpu::check::run(); } catch (std::exception const& failure) {
  return std::fprintf(stderr, "check_speed: %s\n", failure.what()), 1;
}
