#pragma once
#include "gpu/text/vocabulary.hpp"

namespace mayfly::gpu {

/// The tokens that end an answer, ascending: eos, eot and eom of the file, and those known by name. Also
/// mends the types of tokens that files mark wrongly.
std::vector<token_id> find_end_of_generation(vocabulary& tokens, vocabulary_source const& source);

} // namespace mayfly::gpu
