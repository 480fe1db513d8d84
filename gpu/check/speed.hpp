#pragma once
// What the device gives (memory, matrices) and which share of that the kernels reach. Over an emulated device
// everything runs in small, and no figure is told.
#include "gpu/check/device_material.hpp"
#include "gpu/check/findings.hpp"
#include "gpu/check/machine.hpp"

#include <functional>

namespace mayfly::gpu::check {

/// Measured first; what follows is told as a share of it.
struct limits {
  double read = 0;     ///< bytes a second
  double copy = 0;     ///< bytes read and written a second
  double products = 0; ///< bf16 operations a second, a multiplication and an addition counting two
};

struct bench {
  cuda::cuda_backend& device;
  cuda::device_queue& queue;
  std::byte* random = nullptr; ///< device memory full of f16 (and so bf16) numbers, none infinite
  std::size_t random_bytes = 0;
  limits measured;

  /// `full` on a GPU, `small` over the emulation.
  template <class Number>
  Number size(Number full, Number small) const {
    return is_real() ? full : small;
  }
};

/// Seconds that `work(i)` takes on the device: recorded `times` over, i from 0, replayed some times, of which
/// the median counts. Falls back to enqueueing where nothing can be recorded.
double seconds_of(bench const& on, unsigned times, std::function<void(unsigned)> const& work);

/// A figure and its share of a limit; `amount` is what passes in `seconds` (bytes, operations). In emulation
/// only that it ran is told.
struct figure {
  std::string what;
  double seconds = 0;
  double amount = 0;
  double limit = 0;
  std::string of;
  std::optional<double> goal; ///< of the share
};
void tell_share(bench const& on, figure const& measured);
/// A time in microseconds, at most `goal`.
void tell_time(bench const& on, std::string const& what, double seconds, std::optional<double> goal_us = {});

void measure_products(bench& on);
void measure_steps(bench& on);

} // namespace mayfly::gpu::check
