#pragma once
// What a check found: one line of JSON a finding on standard output, which ops/gpu_check gathers.
#include <optional>
#include <string>

namespace mayfly::gpu::check {

/// `figure`: a measurement, held to nothing or to a goal; `held`: must hold, else the check fails.
struct finding {
  std::string part;            ///< "kernels", "speed", ...
  std::string what;            ///< unique within the part
  double value = 0;            ///< in `unit`
  std::string unit;            ///< "GB/s", "relative error", ...
  std::optional<double> share; ///< of the measured limit that `of` names
  std::string of;
  std::optional<double> goal; ///< of the share where there is one, else of the value
  bool goal_is_most = false;  ///< the goal is an upper bound
  std::optional<bool> held;   ///< correctness: empty for figures of speed
};

/// Prints it, and remembers whether it held.
void tell(finding const& found);

/// A finding that must hold: `value` is at most `most`.
void tell_at_most(std::string const& part, std::string const& what, double value, double most,
                  std::string const& unit);

/// A finding that must hold.
void tell_held(std::string const& part, std::string const& what, bool held, double value = 0,
               std::string const& unit = {});

/// The exit status: 1 if something did not hold or nothing was told.
int outcome();

} // namespace mayfly::gpu::check
