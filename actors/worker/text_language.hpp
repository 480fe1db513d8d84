#pragma once
// The language of a model file: its tokeniser, its chat template, and the engine beside them.
#include "actors/worker/model_language.hpp"
#include "actors/worker/model_runner.hpp"
#include "gpu/text/model_text.hpp"

namespace mayfly::actors {

std::shared_ptr<model_language const> make_text_language(gpu::model_text text);

/// Loads a model's engine and language from the file that `options` names; may take long. Errors: those of
/// gpu::engine::load and gpu::load_model_text.
result<worker_model> load_worker_model(name model, gpu::engine_options const& options);

} // namespace mayfly::actors
