#pragma once
#include "actors/actors.hpp"

namespace mayfly::node {

/// What operations knows, as JSON for the command line: metadata, by the messages' own field lists.
std::string status_json(actors::cluster_status const& status);

} // namespace mayfly::node
