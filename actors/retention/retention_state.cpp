#include "actors/retention/retention_state.hpp"

#include "protocol/crypto/hash.hpp"

namespace mayfly::actors {

using messages::receipt_state;

void retention_state::init(retention_options options, receipt_ledger ledger,
                           std::function<void()> commit_soon) {
  options_ = std::move(options);
  ledger_.emplace(std::move(ledger));
  commit_soon_ = std::move(commit_soon);
  leases_ = lease_table(options_.grace);
  recover();
}

/// Takes over what an earlier run left open. A gateway that shared its keeper's process went with it.
void retention_state::recover() {
  auto left_open = ledger_->store().open_leases();
  if (!left_open) return;
  auto const now = options_.now();
  auto const wall = unix_milliseconds();
  std::vector<node_id> gone;
  for (auto& lease : *left_open) {
    if (lease.gateway == lease.keeper) gone.push_back(lease.gateway);
    auto const left = std::chrono::milliseconds(lease.ends_at_unix_ms - wall);
    leases_.recover(std::move(lease), now + left);
  }
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  for (auto const node : gone) issue(leases_.exited(node, wall, wall));
}

void retention_state::open(cluster::peer_ref const& from, messages::lease_opening const& opening) {
  lease_record record;
  record.request = opening.request;
  record.account = pseudonym(opening.account);
  record.model = opening.model;
  record.policy = opening.policy;
  record.gateway = opening.gateway;
  record.keeper = options_.self;
  record.opened_at_unix_ms = unix_milliseconds();
  record.ends_at_unix_ms = record.opened_at_unix_ms + opening.time_left.count();
  auto opened = leases_.open(record, options_.now() + opening.time_left);
  if (opened) opened = ledger_->opened(record);
  if (!opened)
    return from->send(
        messages::lease_opened{opening.request, static_cast<std::uint16_t>(opened.failure().code)});
  openings_.push_back({from, opening.request}); // answered once the record lasts
  batch_begun();
}

void retention_state::registered(messages::holder_registered const& holder) {
  if (!leases_.register_holder(holder, unix_milliseconds())) return;
  ledger_->registered(holder); // lasts with the next commit, at the latest a tick later
}

void retention_state::wiped(messages::holder_wiped const& report) {
  issue(leases_.wiped(report, unix_milliseconds()));
}

void retention_state::closing(messages::lease_closing const& closing) {
  issue(leases_.closing(closing, unix_milliseconds()));
}

/// One that was away when its leases were forced is asked now.
void retention_state::joined(cluster::peer_joined const& joined) {
  peers_.joined(joined.peer);
  for (auto const request : leases_.forced_at(joined.peer->node()))
    joined.peer->send(messages::lease_forced{request});
}

void retention_state::exited(cluster::process_exited const& exited) {
  peers_.left(exited.node);
  issue(leases_.exited(exited.node, exited.at_unix_ms, unix_milliseconds()));
}

void retention_state::issue(lease_table::receipts bodies) {
  for (auto& body : bodies) {
    if (body.confirmed) ++closed_;
    ledger_->issue(std::move(body));
    batch_begun();
  }
}

void retention_state::batch_begun() {
  if (!batch_open_) commit_soon_();
  batch_open_ = true;
}

void retention_state::commit() {
  batch_open_ = false;
  auto const done = ledger_->commit();
  auto const code = done ? errc::ok : errc::unavailable;
  for (auto const& opening : openings_)
    opening.from->send(messages::lease_opened{opening.request, static_cast<std::uint16_t>(code)});
  openings_.clear();
  answer_waiting(options_.now());
}

void retention_state::query(cluster::peer_ref const& from, messages::receipt_query const& asked) {
  queries_.push_back({from, asked, options_.now() + asked.patience});
  answer_waiting(options_.now());
}

/// Answers those whose lease is closed and those whose patience ended; not amid a batch, for what a failing
/// store takes back must not have been shown to anyone.
void retention_state::answer_waiting(deadline now) {
  if (batch_open_) return;
  std::erase_if(queries_, [&](waiting_query const& waiting) {
    auto answer = answer_to(waiting.asked);
    if (answer.state == receipt_state::open && now < waiting.until) return false;
    waiting.from->send(std::move(answer));
    return true;
  });
}

messages::receipt_answer retention_state::answer_to(messages::receipt_query const& asked) {
  messages::receipt_answer answer;
  answer.correlation = asked.correlation;
  answer.request = asked.request;
  answer.head_counter = ledger_->head().counter;
  answer.head = ledger_->head().hash;
  auto const account = pseudonym(asked.account);
  auto found = ledger_->find(asked.request);
  if (found && *found && (*found)->body.account == account) {
    answer.state = receipt_state::final;
    answer.receipt = std::move(**found);
    return answer;
  }
  auto const* owner = leases_.account_of(asked.request);
  if (owner != nullptr && *owner == account) answer.state = receipt_state::open;
  return answer;
}

void retention_state::ask(std::vector<lease_table::silence> const& silent, bool over) {
  for (auto const& lease : silent)
    for (auto const holder : lease.holders)
      if (auto const peer = peers_.find(holder)) peer->send(messages::lease_forced{lease.request, over});
}

void retention_state::tick() {
  auto const now = options_.now();
  auto overdue = leases_.tick(now, unix_milliseconds());
  ask(overdue.forced, false);
  ask(overdue.asked, true);
  issue(std::move(overdue.unconfirmed));
  if (ledger_->unsaved() != 0) batch_begun();
  answer_waiting(now);
  if (now < report_due_) return;
  report_due_ = now + std::chrono::seconds(1);
  report_figures();
}

void retention_state::report_figures() {
  messages::retention_report const report{leases_.size(), closed_, leases_.violations(),
                                          leases_.unconfirmed()};
  peers_.for_each(roles_of(messages::role::operations), [&](auto const& peer) { peer->send(report); });
}

messages::bytes32 retention_state::pseudonym(account_id account) const {
  std::uint64_t const value = account.value;
  auto hashed = crypto::keyed_hash(options_.pseudonym_key.reveal(), std::as_bytes(std::span(&value, 1)));
  return hashed ? *hashed : messages::bytes32{}; // the key's length was checked at the start
}

} // namespace mayfly::actors
