#include "cluster/transport/greeting.hpp"

#include <algorithm>

namespace mayfly::cluster {

result<std::uint16_t> common_version(messages::hello const& ours, messages::hello const& theirs) {
  auto const highest = std::min(ours.newest_version, theirs.newest_version);
  auto const lowest = std::max(ours.oldest_version, theirs.oldest_version);
  if (highest < lowest) return error{errc::version_mismatch, "no common version", theirs.newest_version};
  return highest;
}

result<void> judge_hello(messages::hello const& ours, messages::hello const& theirs, node_id sender,
                         node_id expected) {
  auto const version = common_version(ours, theirs);
  if (!version) return version.failure();
  if (!theirs.node || theirs.node != sender) return error{errc::malformed, "a hello without its sender", 0};
  if (theirs.node == ours.node) return error{errc::untrusted, "a link to ourselves", 0};
  if (expected && theirs.node != expected) return error{errc::untrusted, "another node answered", 0};
  return {};
}

} // namespace mayfly::cluster
