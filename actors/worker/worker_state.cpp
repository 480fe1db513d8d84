#include "actors/worker/worker_state.hpp"

#include "actors/process_memory.hpp"
#include "actors/worker/admission.hpp"
#include "actors/worker/shard_state.hpp"

namespace mayfly::actors {

using messages::role;

namespace {
constexpr auto report_readers = roles_of(role::scheduler, role::gateway, role::operations);
}

void worker_state::init(worker_options options) {
  options_ = std::move(options);
  if (options_.watch == nullptr) options_.watch = std::make_shared<worker_watch>();
  outbox_ = std::make_unique<retention_outbox>();
  for (auto& model : options_.models) {
    if (auto backend = mayfly::name::parse(model.engine->backend_name().view())) backend_ = *backend;
    auto const id = model.model;
    engines_[id] = std::make_unique<engine_thread>(std::move(model), options_.self, *outbox_,
                                                   options_.watch->add(), options_.wants);
  }
  options_.models.clear();
}

void worker_state::infer(received<messages::infer> const& got) {
  auto const& request = *got.message;
  auto const engine = engines_.find(request.model);
  auto const judged = judge_request(request, draining_, engine != engines_.end());
  if (judged) return engine->second->post(infer_command{got.from, got.message});
  auto const code = static_cast<std::uint16_t>(judged.failure().code);
  got.from->send(messages::admission{request.request, request.choice, code, 0, 0});
}

void worker_state::take_seat(std::shared_ptr<group_offer> const& offer) {
  auto const engine = engines_.find(offer->model);
  if (engine != engines_.end()) engine->second->post(form_command{offer});
}

void worker_state::leave(leave_group const& word) {
  auto const engine = engines_.find(word.model);
  if (engine != engines_.end()) engine->second->post(leave_command{word.epoch});
}

void worker_state::joined(cluster::peer_joined const& joined) {
  peers_.joined(joined.peer);
  outbox_->joined(joined.peer);
  if ((joined.peer->roles() & report_readers) != 0) joined.peer->send(report());
}

void worker_state::left(node_id node) {
  peers_.left(node);
  outbox_->left(node);
  post_all(gateway_lost_command{node}); // nothing runs for a node that was no gateway
}

void worker_state::tick() {
  post_all(tick_command{});
  auto const now = options_.now();
  if (now < report_due_) return;
  report_due_ = now + options_.report_interval;
  auto const message = report();
  peers_.for_each(report_readers, [&](auto const& peer) { peer->send(message); });
  report_ranks();
}

void worker_state::report_ranks() const {
  for (auto const& [model, engine] : engines_) {
    auto rank = engine->rank();
    if (rank.ranks == 0) continue;
    add_process_figures(rank, backend_);
    peers_.for_each(roles_of(role::operations), [&](auto const& peer) { peer->send(rank); });
  }
}

messages::worker_report worker_state::report() const {
  messages::worker_report report;
  report.worker = options_.self;
  report.draining = draining_;
  report.backend = backend_;
  report.region = options_.region;
  for (auto const& [model, engine] : engines_) report.models.push_back(engine->load());
  report.resident_bytes = resident_bytes();
  auto const memory = locked_memory_usage();
  report.content_bytes = memory.in_use_bytes;
  report.unlocked_bytes = memory.unlocked_bytes;
  return report;
}

} // namespace mayfly::actors
