#include "cluster/node/model_loading.hpp"

#include "actors/worker/text_language.hpp"

#include <cerrno>
#include <fcntl.h>

namespace mayfly::node {
namespace {

gpu::engine_options options_of(model_configuration const& model, unsigned threads) {
  gpu::engine_options options;
  options.model = model.descriptor < 0 ? gpu::model_file(model.file) : gpu::model_file(model.descriptor);
  options.context_tokens = model.context_tokens;
  options.kv_bytes = model.kv_bytes;
  options.max_sequences = model.max_sequences;
  options.max_queued = model.max_queued;
  options.threads = threads;
  return options;
}

} // namespace

result<void> open_model_files(node_configuration& configuration, start_step& step) {
  for (auto& model : configuration.models) {
    step = {model.file.native(), "Let this user read it, or name another (--model, or [[model]] file)"};
    model.descriptor = open(model.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (model.descriptor < 0) return error{errc::io, "a model file cannot be opened", errno};
  }
  return {};
}

result<std::vector<actors::worker_model>> load_models(node_configuration const& configuration,
                                                      start_step& step) {
  std::vector<actors::worker_model> models;
  if (!has_role(configuration.roles, messages::role::worker)) return models;
  for (auto const& model : configuration.models) {
    step = {model.file.native(), "Is the file whole, and a model of a kind that Mayfly's README names?"};
    auto loaded = actors::load_worker_model(model.id, options_of(model, configuration.threads));
    if (!loaded && loaded.failure().code == errc::out_of_memory)
      step.advice = "Give it less with [[model]] kv_bytes, or run fewer workers";
    if (!loaded) return loaded.failure();
    models.push_back(std::move(*loaded));
  }
  return models;
}

} // namespace mayfly::node
