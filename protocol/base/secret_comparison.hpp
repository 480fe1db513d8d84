#pragma once
#include <cstddef>
#include <span>

namespace mayfly {

/// Compares in time that depends on the lengths alone. Different lengths are unequal.
bool equal_in_constant_time(std::span<std::byte const> left, std::span<std::byte const> right) noexcept;

} // namespace mayfly
