#include "cluster/node/model_loading.hpp"

#include "actors/worker/text_language.hpp"
#include "cluster/node/event_log.hpp"
#include "gpu/collective/nccl/library.hpp"
#include "gpu/collective/nccl/network_policy.hpp"
#include "gpu/kernels/devices.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>

namespace mayfly::node {
namespace {

gpu::engine_options options_of(model_configuration const& model, node_configuration const& node) {
  gpu::engine_options options;
  options.model = model.descriptor < 0 ? gpu::model_file(model.file) : gpu::model_file(model.descriptor);
  options.context_tokens = model.context_tokens;
  options.kv_bytes = model.kv_bytes;
  options.max_sequences = model.max_sequences;
  options.max_queued = model.max_queued;
  options.threads = node.threads;
  if (auto const device = gpu::parse_device(model.device)) options.device = *device;
  options.device.index += node.place;
  options.device.nccl = node.nccl.library;
  options.part.rank = node.rank;
  options.part.ranks = node.ranks;
  return options;
}

/// What a device that failed holds, NCCL's buffers among it, is erased with the process alone; its leases
/// close with it, and the supervisor starts another.
[[noreturn]] void end_loudly() {
  event_log("worker_ends").with("why", "a device failed, and the end of the process erases what it holds");
  std::_Exit(EXIT_FAILURE);
}

/// The operator's setting, where it may matter to this rank.
bool may_speak_in_clear(node_configuration const& node, gpu::seat const& seat) {
  return seat.meets_on_device() && node.nccl.spans_hosts && node.nccl.allow_unencrypted_nccl;
}

/// Where devices were at hand and it computes without: the operator may not expect that.
void say_on_processors(name const& model, error const& why) {
  if (why.number == 0) return; // there are none
  event_log("computes_on_processors").with("model", model.view()).with("why", in_words(why));
}

result<void> load_whole(name const& id, gpu::engine_options options, node_configuration const& node,
                        loaded_models& into) {
  std::shared_ptr<actors::group_lead> group;
  if (options.part.ranks > 1) {
    group = std::make_shared<actors::group_lead>(options.part.ranks);
    group->seat()->ends_process_by(end_loudly);
    options.part.group = group->seat();
    options.part.others = group;
  }
  auto loaded = actors::load_worker_model(id, options);
  if (!loaded) return loaded.failure();
  if (options.device.kind == gpu::device_kind::any && loaded->engine->figures().device_bytes == 0)
    if (auto const usable = gpu::probe_cuda(options.device); !usable) say_on_processors(id, usable.failure());
  if (group) loaded->allow_unencrypted_nccl = may_speak_in_clear(node, *group->seat());
  loaded->group = std::move(group);
  loaded->end_process = end_loudly;
  into.whole.push_back(std::move(*loaded));
  return {};
}

result<void> load_shard(name const& id, gpu::engine_options options, node_configuration const& node,
                        loaded_models& into) {
  auto const seat = std::make_shared<gpu::seat>(options.part.rank, options.part.ranks);
  seat->ends_process_by(end_loudly);
  options.part.group = seat;
  auto engine = gpu::shard_engine::load(options);
  if (!engine) return engine.failure();
  into.shards.push_back({id, std::move(*engine), seat, may_speak_in_clear(node, *seat)});
  return {};
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

worker_reach loaded_models::reach() const {
  auto widest = worker_reach::nothing;
  auto const add = [&](bool on_device, bool meets_there) {
    if (on_device) widest = std::max(widest, worker_reach::device);
    if (meets_there) widest = worker_reach::ranks_on_devices;
  };
  for (auto const& model : whole)
    add(model.engine->figures().device_bytes != 0, model.group && model.group->seat()->meets_on_device());
  for (auto const& model : shards)
    add(model.engine->figures().device_bytes != 0, model.seat->meets_on_device());
  return widest;
}

/// The ranks of a host compute alike: on devices only if each of its processes has its own, and NCCL is
/// there.
result<void> probe_devices(model_configuration const& model, node_configuration const& node) {
  auto choice = options_of(model, node).device;
  auto const first = choice.index - node.place;
  for (choice.index = first; choice.index < first + node.places; ++choice.index)
    if (auto const usable = gpu::probe_cuda(choice); !usable) return usable.failure();
  auto const library = choice.nccl.empty() ? gpu::nccl::load() : gpu::nccl::load(choice.nccl.c_str());
  return library ? result<void>() : library.failure();
}

result<void> prepare_nccl(node_configuration& configuration, start_step& step) {
  auto const& asked = configuration.nccl;
  auto& models = configuration.models;
  if (configuration.ranks == 1) return {};
  // Hosts differ, and a group computes alike: over hosts devices must be asked for on each.
  for (auto& model : models) {
    if (model.device != "auto") continue;
    auto const devices = asked.spans_hosts ? error{errc::configuration, "ranks span hosts", 0}
                                           : probe_devices(model, configuration);
    if (!devices) model.device = "cpu";
    if (!devices) say_on_processors(model.id, devices.failure());
  }
  if (std::ranges::all_of(models, [](auto const& model) { return model.device == "cpu"; })) return {};
  gpu::nccl::network_request request{asked.spans_hosts, asked.interface, {}, asked.allow_unencrypted_nccl};
  if (asked.spans_hosts && !asked.interface.empty())
    if (auto kind = gpu::nccl::kind_of_interface(asked.interface)) request.interface_kind = std::move(*kind);
  auto const environment = gpu::nccl::environment_for(request);
  step = {"[nccl] interface " + asked.interface,
          "Name one that encrypts (WireGuard, IPsec), or set allow_unencrypted_nccl"};
  if (!environment) return environment.failure();
  for (auto const& [key, value] : *environment) setenv(key.c_str(), value.c_str(), 1);
  step = {};
  return {};
}

result<loaded_models> load_models(node_configuration const& configuration, start_step& step) {
  loaded_models models;
  bool const works = has_role(configuration.roles, messages::role::worker);
  if (!works && !has_role(configuration.roles, messages::role::shard)) return models;
  for (auto const& model : configuration.models) {
    step = {model.file.native(), "Is the file whole, and a model of a kind that Mayfly's README names?"};
    auto const options = options_of(model, configuration);
    auto const loaded = works ? load_whole(model.id, options, configuration, models)
                              : load_shard(model.id, options, configuration, models);
    if (loaded) continue;
    if (loaded.failure().code == errc::out_of_memory)
      step.advice = "Give it less with [[model]] kv_bytes, or run fewer workers";
    if (model.device.starts_with("cuda") && loaded.failure().code == errc::configuration)
      step = {"[[model]] device = " + model.device,
              "Can this process's user read CUDA's libraries? With auto or cpu it runs without"};
    if (configuration.ranks > 1 && loaded.failure().code == errc::unsupported)
      step.advice = "Split it over fewer ranks (--tensor-parallel)";
    return loaded.failure();
  }
  return models;
}

} // namespace mayfly::node
