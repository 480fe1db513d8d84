#pragma once
#include <chrono>
#include <cstdint>

namespace mayfly {

/// Time since boot, suspension included (CLOCK_BOOTTIME): what deadlines of leases are measured with. Values
/// do not compare across machines: deadlines travel as time left.
struct boot_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boot_clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

using deadline = boot_clock::time_point;

/// Wall-clock time for records, in milliseconds since the Unix epoch.
std::int64_t unix_milliseconds() noexcept;

} // namespace mayfly
