#pragma once
#include "actors/worker/worker.hpp"
#include "cluster/node/configuration.hpp"
#include "cluster/node/start_step.hpp"

namespace mayfly::node {

/// Opens a worker's model files while this process may still reach them, for `load_models` after privileges
/// are dropped. Errors: io (`number` is errno). `step` follows, here and below, which file it is.
result<void> open_model_files(node_configuration& configuration, start_step& step);

/// Loads weights, vocabulary and template of every model. Errors: those of the engine and of the text layer.
result<std::vector<actors::worker_model>> load_models(node_configuration const& configuration,
                                                      start_step& step);

} // namespace mayfly::node
