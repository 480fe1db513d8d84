#pragma once
// Which processes a local cluster consists of. Pure: from configuration to a list.
#include "cluster/node/configuration.hpp"

#include <string>
#include <vector>

namespace mayfly::node {

/// One process to keep running. `label` is what people and cluster.json see: "front", "worker", "gateway",
/// ...
struct child_plan {
  std::string label;
  messages::role_set roles = 0;
  bool seed = false;
  std::uint16_t http_port = 0;  ///< gateways
  std::uint16_t admin_port = 0; ///< the process with operations
  unsigned threads = 0;         ///< workers and shards
  std::uint32_t group = 0;      ///< which worker, where its models are split over ranks
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  std::uint32_t place =
      0; ///< among the processes of this host that compute: each has its share of processors
  std::uint32_t places = 1; ///< and its own CUDA device
};

/// One front node and N workers, each with the shards of its group beside it; split: every role a process,
/// gateways on successive ports; joining another host's cluster: workers alone. `processors` are shared out
/// among the workers where the configuration says nothing.
/// `own_host`: which of the hosts that ranks span this one is.
std::vector<child_plan> plan_children(cluster_configuration const& configuration, unsigned processors,
                                      std::size_t own_host = 0);

} // namespace mayfly::node
