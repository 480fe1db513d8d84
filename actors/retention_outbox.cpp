#include "actors/retention_outbox.hpp"

#include <algorithm>

namespace mayfly::actors {

using messages::role;

void retention_outbox::joined(cluster::peer_ref const& peer) {
  if (!messages::has_role(peer->roles(), role::retention)) return;
  std::lock_guard const lock(mutex_);
  peers_.joined(peer);
  auto const forget_at = boot_clock::now() + memory;
  for (auto& one : kept_) {
    send(one.report);
    one.forget_at = std::min(one.forget_at, forget_at);
  }
}

void retention_outbox::left(node_id node) {
  std::lock_guard const lock(mutex_);
  peers_.left(node);
}

std::size_t retention_outbox::kept() const {
  std::lock_guard const lock(mutex_);
  return kept_.size();
}

void retention_outbox::post(entry report) {
  std::lock_guard const lock(mutex_);
  auto const now = boot_clock::now();
  while (!kept_.empty() && (kept_.front().forget_at <= now || kept_.size() >= capacity_)) kept_.pop_front();
  bool const heard = peers_.count(role::retention) != 0;
  if (heard) send(report);
  kept_.push_back({std::move(report), heard ? now + memory : deadline::max()});
}

void retention_outbox::send(entry const& report) const {
  std::visit(
      [&](auto const& message) {
        if (auto const own = peers_.find(node_id{message.request.retention.value})) return own->send(message);
        peers_.for_each(roles_of(role::retention), [&](auto const& peer) { peer->send(message); });
      },
      report);
}

} // namespace mayfly::actors
