#include "actors/gateway/gateway_state.hpp"

#include "actors/process_memory.hpp"
#include "protocol/base/locked_memory.hpp"

namespace mayfly::actors {

using messages::role;

void gateway_state::init(gateway_options options) {
  options_ = std::move(options);
  figures_.gateway = options_.self;
  publish();
}

// --- the session -----------------------------------------------------------------------------------------

void gateway_state::run(submit const& asked) {
  auto request = std::move(*asked.request);
  auto const refuse = [&](error failure) { request.sink->deliver(answer_failed{failure}); };
  if (figures_.draining) return refuse({errc::draining, "this gateway takes nothing new", 0});
  if (figures_.running >= options_.max_in_flight)
    return refuse({errc::overloaded, "this gateway's requests are at their limit", 1});
  if (entry_of(request.request) != nullptr) return refuse({errc::invalid_request, "a request id in use", 0});
  ++figures_.requests;
  ++figures_.running;
  entry fresh;
  auto const id = request.request;
  fresh.run = std::make_unique<generation_run>(std::move(request), options_.limits, *this, options_.self,
                                               options_.now());
  auto& placed = entries_.emplace(id, std::move(fresh)).first->second;
  count_open();
  placed.run->start(options_.now());
  after(placed);
}

void gateway_state::taken(chunks_taken const& taken) {
  if (auto* found = entry_of(taken.request)) found->run->on_chunks_taken(taken.choice, taken.chunks);
}

void gateway_state::abandoned(request_id request) {
  auto* found = entry_of(request);
  if (found == nullptr) return;
  found->run->abandon(options_.now());
  after(*found);
}

void gateway_state::over(answer_over const& over) {
  auto* found = entry_of(over.request);
  if (found == nullptr) return;
  found->run->abandon(options_.now());
  after(*found);
  if (found->run->lease_asked())
    outbox_.report(messages::lease_closing{over.request, over.wiped_bytes, unix_milliseconds()});
  entries_.erase(over.request);
  count_open();
}

void gateway_state::end_all() {
  auto const now = options_.now();
  for (auto& [request, each] : entries_) {
    each.run->interrupt(now);
    after(each);
  }
}

void gateway_state::find(find_receipt const& asked) { receipts_.start(asked, peers_, options_.now()); }

// --- the cluster's answers -------------------------------------------------------------------------------

void gateway_state::opened(messages::lease_opened const& opened) {
  auto* found = entry_of(opened.request);
  if (found == nullptr) return;
  found->run->on_lease_opened(opened, options_.now());
  after(*found);
}

void gateway_state::placed(node_id scheduler, messages::placement const& placement) {
  auto* found = entry_of(placement.request);
  if (found == nullptr) { // the request ended meanwhile: its place is free again
    auto const peer = peers_.find(scheduler);
    if (peer != nullptr && placement.code == 0)
      peer->send(messages::placement_release{placement.request, placement.worker});
    return;
  }
  found->scheduler_of.emplace(placement.worker, scheduler);
  found->run->on_placement(placement, options_.now());
  after(*found);
}

void gateway_state::admitted(node_id worker, messages::admission const& admission) {
  // A refusal holds nothing, whoever still wants to hear it.
  if (admission.code != 0) forget_holder({admission.request, worker, admission.choice});
  auto* found = entry_of(admission.request);
  if (found == nullptr) return;
  if (found->run->lease_asked())
    for (auto const rank : admission.ranks) register_holder({admission.request, rank, admission.choice});
  found->run->on_admission(worker, admission, options_.now());
  after(*found);
}

void gateway_state::chunk(node_id worker, std::shared_ptr<messages::output_chunk const> const& chunk) {
  auto* found = entry_of(chunk->request);
  if (found == nullptr) return;
  found->run->on_chunk(worker, chunk, options_.now());
  after(*found);
}

void gateway_state::finish(node_id worker, messages::finished const& finished) {
  outbox_.report(messages::holder_wiped{finished.request, worker, finished.choice, finished.wiped_bytes,
                                        finished.wiped_at_unix_ms});
  for (auto const& [rank, bytes] : finished.ranks)
    outbox_.report(
        messages::holder_wiped{finished.request, rank, finished.choice, bytes, finished.wiped_at_unix_ms});
  auto* found = entry_of(finished.request);
  if (found == nullptr) return;
  found->run->on_finished(worker, finished, options_.now());
  after(*found);
}

void gateway_state::forced(request_id request) {
  auto* found = entry_of(request);
  if (found == nullptr) { // it ended here, and the closing was lost
    outbox_.report(messages::lease_closing{request, 0, unix_milliseconds()});
    return;
  }
  found->run->on_lease_forced(options_.now());
  after(*found);
}

void gateway_state::receipt(node_id retention, messages::receipt_answer const& answer) {
  receipts_.answered(retention, answer);
}

void gateway_state::reported(messages::worker_report const& report) {
  if (peers_.find(report.worker) == nullptr) return; // a late frame of one that is gone
  workers_[report.worker] = report;
  publish();
}

void gateway_state::drain(bool draining) {
  figures_.draining = draining;
  publish();
}

// --- peers and time --------------------------------------------------------------------------------------

void gateway_state::joined(cluster::peer_joined const& joined) {
  peers_.joined(joined.peer);
  outbox_.joined(joined.peer);
  publish();
}

void gateway_state::left(node_id node) {
  if (!peers_.left(node)) return;
  outbox_.left(node);
  receipts_.left(node);
  workers_.erase(node);
  publish();
  auto const now = options_.now();
  for (auto& [request, each] : entries_) {
    each.run->on_worker_lost(node, now);
    after(each);
  }
}

void gateway_state::tick() {
  auto const now = options_.now();
  for (auto& [request, each] : entries_) {
    each.run->on_tick(now);
    after(each);
  }
  receipts_.tick(now);
  if (now < report_due_) return;
  report_due_ = now + std::chrono::seconds(1);
  report_figures();
}

void gateway_state::report_figures() {
  figures_.resident_bytes = resident_bytes();
  figures_.unlocked_bytes = locked_memory_usage().unlocked_bytes;
  if (options_.view != nullptr) figures_.log_records_lost = options_.view->log_records_lost;
  peers_.for_each(roles_of(role::operations), [&](auto const& peer) { peer->send(figures_); });
}

/// Counts a run's end, once.
void gateway_state::after(entry& of) {
  if (of.counted || !of.run->ended()) return;
  of.counted = true;
  auto const& run = of.run->figures();
  --figures_.running;
  if (run.code == errc::cancelled) ++figures_.cancelled;
  if (run.code != errc::cancelled && run.code != errc::ok) ++figures_.failed;
  if (run.replays != 0) ++figures_.replayed;
  figures_.prompt_tokens += run.prompt_tokens;
  figures_.completion_tokens += run.completion_tokens;
}

void gateway_state::count_open() const {
  if (options_.view != nullptr) options_.view->open_requests = entries_.size();
}

void gateway_state::publish() const {
  if (options_.view == nullptr) return;
  gateway_snapshot snapshot;
  snapshot.draining = figures_.draining;
  if (auto const retention = peers_.any(role::retention))
    snapshot.retention = retention_id{retention->node().value};
  std::map<mayfly::name, linked_model> models;
  for (auto const& [node, worker] : workers_) {
    for (auto const& load : worker.models) {
      auto& model = models[load.model];
      model.model = load.model;
      model.workers += worker.draining || !load.ready ? 0 : 1;
      model.context_tokens = std::max(model.context_tokens, load.context_tokens);
    }
  }
  bool const all = std::all_of(options_.models.begin(), options_.models.end(), [&](auto const& wanted) {
    auto const at = models.find(wanted);
    return at != models.end() && at->second.workers != 0;
  });
  for (auto& [model, served] : models) snapshot.models.push_back(std::move(served));
  bool const served = !snapshot.models.empty() && all;
  snapshot.ready =
      served && snapshot.retention && peers_.any(role::scheduler) != nullptr && !snapshot.draining;
  options_.view->publish(std::move(snapshot));
}

// --- run_port --------------------------------------------------------------------------------------------

gateway_state::entry* gateway_state::entry_of(request_id request) {
  auto const at = entries_.find(request);
  return at == entries_.end() ? nullptr : &at->second;
}

/// One retention peer holds a request's lease to the end; the first choice is the one that its id names.
cluster::peer_ref gateway_state::retention_of(entry& of) {
  if (of.retention) return peers_.find(of.retention);
  auto peer = peers_.find(node_id{of.run->request().request.retention.value});
  if (peer == nullptr || !messages::has_role(peer->roles(), role::retention))
    peer = peers_.any(role::retention);
  if (peer != nullptr) of.retention = peer->node();
  return peer;
}

bool gateway_state::open_lease(messages::lease_opening opening) {
  auto const peer = retention_of(*entry_of(opening.request));
  if (peer != nullptr) peer->send(std::move(opening));
  return peer != nullptr;
}

bool gateway_state::register_holder(messages::holder_registered holder) {
  auto const peer = retention_of(*entry_of(holder.request));
  if (peer != nullptr) peer->send(holder);
  return peer != nullptr;
}

void gateway_state::forget_holder(messages::holder_registered holder) {
  outbox_.report(
      messages::holder_wiped{holder.request, holder.holder, holder.choice, 0, unix_milliseconds()});
}

bool gateway_state::ask_placement(messages::placement_request request) {
  auto const peer = peers_.any(role::scheduler, turn_++);
  if (peer == nullptr) return false;
  peer->send(std::move(request));
  return true;
}

bool gateway_state::sees_worker(mayfly::name const& model, std::span<node_id const> tried) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](auto const& heard) {
    auto const& [node, report] = heard;
    bool const serves = std::any_of(report.models.begin(), report.models.end(),
                                    [&](auto const& load) { return load.model == model; });
    return serves && !report.draining && std::find(tried.begin(), tried.end(), node) == tried.end();
  });
}

void gateway_state::release_placement(messages::placement_release release) {
  auto* found = entry_of(release.request);
  auto const peer = peers_.find(found->scheduler_of[release.worker]);
  if (peer != nullptr) peer->send(release);
}

bool gateway_state::ask_worker(node_id worker, messages::infer infer) {
  auto const peer = peers_.find(worker);
  if (peer != nullptr) peer->send(std::move(infer));
  return peer != nullptr;
}

void gateway_state::grant(node_id worker, messages::credit credit) {
  if (auto const peer = peers_.find(worker)) peer->send(credit);
}

void gateway_state::cancel(node_id worker, messages::cancel cancel) {
  if (auto const peer = peers_.find(worker)) peer->send(cancel);
}

} // namespace mayfly::actors
