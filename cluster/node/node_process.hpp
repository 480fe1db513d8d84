#pragma once
#include "cluster/node/configuration.hpp"

namespace mayfly::node {

/// Hosts the roles of `configuration` in this process until its supervisor goes, SIGTERM or SIGINT; then
/// drains. Returns the process's exit status; what went wrong is in the event log, and said to the
/// supervisor.
int run_node(node_configuration configuration);

} // namespace mayfly::node
