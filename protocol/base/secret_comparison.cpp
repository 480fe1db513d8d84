#include "protocol/base/secret_comparison.hpp"

namespace mayfly {

bool equal_in_constant_time(std::span<std::byte const> left, std::span<std::byte const> right) noexcept {
  if (left.size() != right.size()) return false;
  unsigned char volatile difference = 0;
  for (std::size_t index = 0; index < left.size(); ++index)
    difference =
        static_cast<unsigned char>(difference | std::to_integer<unsigned char>(left[index] ^ right[index]));
  return difference == 0;
}

} // namespace mayfly
