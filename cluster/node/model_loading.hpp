#pragma once
#include "actors/worker/shard.hpp"
#include "actors/worker/worker.hpp"
#include "cluster/node/configuration.hpp"
#include "cluster/node/hardening.hpp"
#include "cluster/node/start_step.hpp"

namespace mayfly::node {

/// Opens a worker's model files while this process may still reach them, for `load_models` after privileges
/// are dropped. Errors: io (`number` is errno). `step` follows, here and below, which file it is.
result<void> open_model_files(node_configuration& configuration, start_step& step);

/// For a rank, before its models are loaded: how NCCL may speak, in this process's environment. A model whose
/// device is left open gets one if every process of this host that computes has its own and NCCL is there,
/// and computes on processors else, and wherever ranks span hosts. Errors: those of
/// gpu::nccl::environment_for.
result<void> prepare_nccl(node_configuration& configuration, start_step& step);

/// What a worker runs, or a shard.
struct loaded_models {
  std::vector<actors::worker_model> whole; ///< rank 0's share where a model is split
  std::vector<actors::shard_model> shards;

  /// What they need once the process is sealed.
  worker_reach reach() const;
};

/// Loads every model that the node's role runs: its rank's share of the weights and, for a worker, vocabulary
/// and template. Errors: those of the engine and of the text layer.
result<loaded_models> load_models(node_configuration const& configuration, start_step& step);

} // namespace mayfly::node
