#pragma once
// From a model file to what an engine, of a whole model or of a rank's share, computes with.
#include "gpu/engine/paged_engine.hpp"

namespace mayfly::gpu {

struct loaded_model {
  engine_parts parts;
  engine_limits limits;
};

/// Errors: those of engine::load.
result<loaded_model> load_parts(engine_options const& options);

/// Precondition: a part of rank 1 or more, with its group.
std::unique_ptr<shard_engine> make_shard_engine(loaded_model loaded);

} // namespace mayfly::gpu
