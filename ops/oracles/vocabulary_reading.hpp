#pragma once
#include "gpu/formats/gguf.hpp"
#include "gpu/text/vocabulary_source.hpp"

namespace mayfly::oracle {

/// A GGUF file's vocabulary. Views the file.
gpu::vocabulary_source read_vocabulary(gpu::gguf_file const& file);

} // namespace mayfly::oracle
