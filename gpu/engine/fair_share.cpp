#include "gpu/engine/fair_share.hpp"

#include <algorithm>

namespace mayfly::gpu {

void fair_share::enter(std::uint64_t account) {
  if (auto const known = shares_.find(account); known != shares_.end()) {
    ++known->second.sequences;
    return;
  }
  auto const least =
      std::min_element(shares_.begin(), shares_.end(), [](auto const& left, auto const& right) {
        return left.second.served < right.second.served;
      });
  auto const level = least == shares_.end() ? 0 : least->second.served;
  shares_.emplace(account, share{1, level});
}

void fair_share::leave(std::uint64_t account) {
  auto const known = shares_.find(account);
  if (known != shares_.end() && --known->second.sequences == 0) shares_.erase(known);
}

void fair_share::charge(std::uint64_t account, std::uint64_t tokens) {
  if (auto const known = shares_.find(account); known != shares_.end()) known->second.served += tokens;
}

std::uint64_t fair_share::served(std::uint64_t account) const {
  auto const known = shares_.find(account);
  return known == shares_.end() ? 0 : known->second.served;
}

} // namespace mayfly::gpu
