#pragma once
#include "protocol/base/ephemeral.hpp"

namespace mayfly::gpu {

/// Bytes [begin, end) of a prompt.
struct text_span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A prompt that remembers who wrote what. `own` holds the template's own text, ascending and disjoint, with
/// neighbours joined; all other bytes came from a conversation. Special tokens match only inside one span.
struct template_output {
  ephemeral_text text;
  ephemeral_buffer<text_span> own;
};

} // namespace mayfly::gpu
