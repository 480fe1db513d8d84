#include "gpu/check/findings.hpp"

#include <cmath>
#include <cstdio>

namespace mayfly::gpu::check {
namespace {

bool all_held = true;
std::size_t told = 0;

/// Names here hold no character that JSON escapes.
void put_text(char const* name, std::string const& text) {
  if (!text.empty()) std::printf(", \"%s\": \"%s\"", name, text.c_str());
}
/// JSON knows no infinity: null stands for what is no number.
void put_number(char const* name, std::optional<double> number) {
  if (number && std::isfinite(*number)) std::printf(", \"%s\": %.6g", name, *number);
  if (number && !std::isfinite(*number)) std::printf(", \"%s\": null", name);
}
void put_flag(char const* name, bool flag) { std::printf(", \"%s\": %s", name, flag ? "true" : "false"); }

} // namespace

void tell(finding const& found) {
  std::printf("{\"part\": \"%s\"", found.part.c_str());
  put_text("what", found.what);
  put_number("value", found.value);
  put_text("unit", found.unit);
  put_number("share", found.share);
  put_text("of", found.of);
  put_number("goal", found.goal);
  if (found.goal_is_most) put_flag("goal_is_most", true);
  if (found.held) put_flag("held", *found.held);
  std::printf("}\n");
  std::fflush(stdout);
  all_held = all_held && found.held.value_or(true);
  ++told;
}

void tell_at_most(std::string const& part, std::string const& what, double value, double most,
                  std::string const& unit) {
  finding found{part, what, value, unit, {}, {}, most, true, value <= most}; // NaN does not hold
  tell(found);
}

void tell_held(std::string const& part, std::string const& what, bool held, double value,
               std::string const& unit) {
  finding found;
  found.part = part;
  found.what = what;
  found.value = value;
  found.unit = unit;
  found.held = held;
  tell(found);
}

int outcome() { return all_held && told > 0 ? 0 : 1; }

} // namespace mayfly::gpu::check
