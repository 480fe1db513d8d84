#pragma once
#include "actors/actors.hpp"

#include <string>

namespace mayfly::actors {

/// The cluster's figures in Prometheus' text format 0.0.4. Metadata alone: labels are node ids, models of the
/// catalogue and regions.
std::string metrics_text(cluster_status const& status);

} // namespace mayfly::actors
