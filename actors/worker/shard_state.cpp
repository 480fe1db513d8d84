#include "actors/worker/shard_state.hpp"

#include "actors/process_memory.hpp"
#include "protocol/base/locked_memory.hpp"

#include <algorithm>

namespace mayfly::actors {

using messages::role;

void add_process_figures(messages::rank_report& report, mayfly::name const& backend) {
  report.backend = backend;
  report.resident_bytes = resident_bytes();
  auto const memory = locked_memory_usage();
  report.content_bytes = memory.in_use_bytes;
  report.unlocked_bytes = memory.unlocked_bytes;
}

void shard_state::init(shard_options options) {
  options_ = std::move(options);
  if (options_.watch == nullptr) options_.watch = std::make_shared<worker_watch>();
  outbox_ = std::make_unique<retention_outbox>();
  for (auto& model : options_.models) {
    if (auto backend = mayfly::name::parse(model.engine->backend_name().view())) backend_ = *backend;
    auto const id = model.model;
    ranks_[id] = std::make_unique<shard_thread>(std::move(model), options_.self, *outbox_,
                                                options_.watch->add(), options_.wants);
  }
  options_.models.clear();
}

void shard_state::take_seat(std::shared_ptr<group_offer> const& offer) {
  if (auto const rank = ranks_.find(offer->model); rank != ranks_.end()) rank->second->form(offer);
}

void shard_state::leave(leave_group const& word) {
  if (auto const rank = ranks_.find(word.model); rank != ranks_.end()) rank->second->leave(word.epoch);
}

void shard_state::forced(messages::lease_forced const& word) {
  bool held = false;
  for (auto const& [model, rank] : ranks_) held = rank->force(word.request, word.over) || held;
  if (held) return; // its wipe is reported by rank 0, or by the rank as it leaves the group
  outbox_->report(
      messages::holder_wiped{word.request, options_.self, messages::every_choice, 0, unix_milliseconds()});
}

void shard_state::joined(cluster::peer_joined const& joined) {
  peers_.joined(joined.peer);
  outbox_->joined(joined.peer);
}

void shard_state::left(node_id node) {
  peers_.left(node);
  outbox_->left(node);
}

void shard_state::tick() {
  auto const now = boot_clock::now();
  if (now < report_due_) return;
  report_due_ = now + options_.report_interval;
  for (auto const& [model, rank] : ranks_) {
    auto report = rank->report();
    add_process_figures(report, backend_);
    peers_.for_each(roles_of(role::operations), [&](auto const& peer) { peer->send(report); });
  }
}

} // namespace mayfly::actors
