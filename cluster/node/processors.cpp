#include "cluster/node/processors.hpp"

#include <sched.h>

namespace mayfly::node {

std::vector<unsigned> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> found;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return found;
  for (unsigned processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &set)) found.push_back(processor);
  return found;
}

std::vector<unsigned> share_of_processors(std::span<unsigned const> allowed, std::uint32_t place,
                                          std::uint32_t places, unsigned threads) {
  auto const each = allowed.size() / places;
  if (place >= places || each == 0 || each < threads) return {};
  auto const share = allowed.subspan(place * each, each);
  return {share.begin(), share.end()};
}

void keep_to(std::span<unsigned const> processors) noexcept {
  if (processors.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (auto const processor : processors)
    if (processor < CPU_SETSIZE) CPU_SET(processor, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

} // namespace mayfly::node
