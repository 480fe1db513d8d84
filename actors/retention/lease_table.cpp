#include "actors/retention/lease_table.hpp"

#include <algorithm>

namespace mayfly::actors {
namespace {

using messages::holder_record;
using messages::wipe_state;

bool holds(holder_record const& holder) {
  return holder.state == wipe_state::pending || holder.state == wipe_state::unconfirmed;
}

void mark(holder_record& holder, wipe_state state, std::uint64_t bytes, std::int64_t at_unix_ms) {
  if (!holds(holder)) return; // the first word counts
  holder.state = state;
  holder.bytes = rounded_bytes(bytes);
  holder.at_unix_ms = at_unix_ms;
}

/// After the answer's end, for wipes that are on their way.
constexpr std::chrono::milliseconds patience_for_reports{2000};

/// Longer than a supervisor repeats an exit (cluster announcements name it for ten minutes).
constexpr std::int64_t exit_memory_ms = 15 * 60 * 1000;

} // namespace

std::uint64_t rounded_bytes(std::uint64_t bytes) noexcept { return (bytes + 1023) / 1024 * 1024; }

result<void> lease_table::open(lease_record record, deadline ends_at) {
  if (record.policy != messages::retention_policy::none)
    return error{errc::retention_refused, "only the policy none is served", static_cast<int>(record.policy)};
  if (leases_.contains(record.request)) return error{errc::invalid_request, "a lease of this id is open", 0};
  add(std::move(record), ends_at, false);
  return {};
}

void lease_table::recover(lease_record record, deadline ends_at) { add(std::move(record), ends_at, true); }

void lease_table::add(lease_record record, deadline ends_at, bool recovered) {
  lease_entry fresh;
  fresh.gateway.holder = record.gateway;
  for (auto const& holder : record.holders) {
    holder_record known;
    known.holder = holder.holder;
    known.choice = holder.choice;
    fresh.holders.push_back(known);
  }
  if (record.unconfirmed) ++unconfirmed_;
  fresh.forced = record.unconfirmed;
  fresh.ends_at = ends_at;
  fresh.recovered = recovered;
  auto const request = record.request;
  fresh.record = std::move(record);
  leases_.insert_or_assign(request, std::move(fresh));
}

bool lease_table::register_holder(messages::holder_registered const& holder, std::int64_t now_unix_ms) {
  auto const at = leases_.find(holder.request);
  if (at == leases_.end()) return false;
  holder_record fresh;
  fresh.holder = holder.holder;
  fresh.choice = holder.choice;
  if (auto const* when = exit_of(holder.holder))
    mark(fresh, wipe_state::exited, 0, std::max(*when, now_unix_ms));
  at->second.holders.push_back(fresh);
  return true;
}

lease_table::receipts lease_table::wiped(messages::holder_wiped const& report, std::int64_t now_unix_ms) {
  receipts out;
  auto const at = leases_.find(report.request);
  if (at == leases_.end()) return out;
  auto& holders = at->second.holders;
  auto const same = [&](auto const& holder) {
    bool const meant = report.choice == messages::every_choice || holder.choice == report.choice;
    return holder.holder == report.holder && meant;
  };
  if (report.choice != messages::every_choice &&
      std::none_of(holders.begin(), holders.end(), same)) { // its registration was lost with an earlier run
    holder_record fresh;
    fresh.holder = report.holder;
    fresh.choice = report.choice;
    holders.push_back(fresh);
  }
  for (auto& holder : holders)
    if (same(holder)) mark(holder, wipe_state::wiped, report.bytes, report.at_unix_ms);
  close_if_settled(at, now_unix_ms, out);
  return out;
}

lease_table::receipts lease_table::closing(messages::lease_closing const& closing, std::int64_t now_unix_ms) {
  receipts out;
  auto const at = leases_.find(closing.request);
  if (at == leases_.end()) return out;
  at->second.closing = true;
  at->second.recovered = false; // the gateway lives and has named every holder
  mark(at->second.gateway, wipe_state::wiped, closing.gateway_bytes, closing.at_unix_ms);
  close_if_settled(at, now_unix_ms, out);
  return out;
}

lease_table::receipts lease_table::exited(node_id node, std::int64_t at_unix_ms, std::int64_t now_unix_ms) {
  receipts out;
  exited_.try_emplace(node, at_unix_ms);
  for (auto at = leases_.begin(); at != leases_.end();) {
    auto const next = std::next(at);
    auto& lease = at->second;
    if (lease.gateway.holder == node) {
      mark(lease.gateway, wipe_state::exited, 0, at_unix_ms);
      lease.closing = true; // no holder will be added
    }
    for (auto& holder : lease.holders)
      if (holder.holder == node) mark(holder, wipe_state::exited, 0, at_unix_ms);
    close_if_settled(at, now_unix_ms, out);
    at = next;
  }
  return out;
}

lease_table::overdue lease_table::tick(deadline now, std::int64_t now_unix_ms) {
  overdue out;
  std::erase_if(exited_, [&](auto const& entry) { return now_unix_ms - entry.second > exit_memory_ms; });
  for (auto& [request, lease] : leases_) {
    if (!lease.forced && now >= lease.ends_at) force(lease, out);
    if (lease.closing) ask_when_due(lease, now, out);
    if (lease.forced && !lease.record.unconfirmed && now >= lease.ends_at + grace_)
      give_up(lease, now_unix_ms, out);
  }
  return out;
}

void lease_table::force(lease_entry& lease, overdue& out) {
  lease.forced = true;
  ++violations_;
  out.forced.push_back(silence_of(lease));
}

void lease_table::ask_when_due(lease_entry& lease, deadline now, overdue& out) {
  if (!lease.ask_at) lease.ask_at = now + patience_for_reports;
  if (now < *lease.ask_at) return;
  lease.ask_at = now + patience_for_reports;
  out.asked.push_back(silence_of(lease));
}

lease_table::silence lease_table::silence_of(lease_entry const& lease) {
  silence found;
  found.request = lease.record.request;
  if (holds(lease.gateway)) found.holders.push_back(lease.gateway.holder);
  for (auto const& holder : lease.holders) {
    bool const known =
        std::find(found.holders.begin(), found.holders.end(), holder.holder) != found.holders.end();
    if (holds(holder) && !known) found.holders.push_back(holder.holder);
  }
  return found;
}

void lease_table::give_up(lease_entry& lease, std::int64_t now_unix_ms, overdue& out) {
  lease.record.unconfirmed = true;
  ++unconfirmed_;
  if (lease.gateway.state == wipe_state::pending) lease.gateway.state = wipe_state::unconfirmed;
  for (auto& holder : lease.holders)
    if (holder.state == wipe_state::pending) holder.state = wipe_state::unconfirmed;
  out.unconfirmed.push_back(body_of(lease, now_unix_ms));
}

bool lease_table::is_settled(lease_entry const& lease) const {
  if (!lease.closing || holds(lease.gateway)) return false;
  if (lease.recovered && lease.holders.empty()) return false;
  return std::none_of(lease.holders.begin(), lease.holders.end(), holds);
}

void lease_table::close_if_settled(leases::iterator at, std::int64_t now_unix_ms, receipts& out) {
  if (!is_settled(at->second)) return;
  if (at->second.record.unconfirmed) --unconfirmed_;
  out.push_back(body_of(at->second, now_unix_ms));
  leases_.erase(at);
}

messages::receipt lease_table::body_of(lease_entry const& lease, std::int64_t now_unix_ms) const {
  messages::receipt body;
  body.request = lease.record.request;
  body.account = lease.record.account;
  body.model = lease.record.model;
  body.policy = lease.record.policy;
  body.confirmed = is_settled(lease);
  body.violation = lease.forced;
  body.holders.push_back(lease.gateway);
  body.holders.insert(body.holders.end(), lease.holders.begin(), lease.holders.end());
  body.opened_at_unix_ms = lease.record.opened_at_unix_ms;
  body.closed_at_unix_ms = now_unix_ms;
  return body;
}

std::int64_t const* lease_table::exit_of(node_id node) const {
  auto const at = exited_.find(node);
  return at == exited_.end() ? nullptr : &at->second;
}

std::vector<request_id> lease_table::forced_at(node_id node) const {
  std::vector<request_id> found;
  auto const silent = [&](holder_record const& holder) { return holder.holder == node && holds(holder); };
  for (auto const& [request, lease] : leases_)
    if (lease.forced && (silent(lease.gateway) || std::ranges::any_of(lease.holders, silent)))
      found.push_back(request);
  return found;
}

messages::bytes32 const* lease_table::account_of(request_id request) const {
  auto const at = leases_.find(request);
  return at == leases_.end() ? nullptr : &at->second.record.account;
}

} // namespace mayfly::actors
