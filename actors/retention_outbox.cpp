#include "actors/retention_outbox.hpp"

namespace mayfly::actors {

using messages::role;

void retention_outbox::joined(cluster::peer_ref const& peer) {
  if (!messages::has_role(peer->roles(), role::retention)) return;
  std::lock_guard const lock(mutex_);
  peers_.joined(peer);
  for (auto const& report : waiting_) send(report);
  waiting_.clear();
}

void retention_outbox::left(node_id node) {
  std::lock_guard const lock(mutex_);
  peers_.left(node);
}

std::size_t retention_outbox::waiting() const {
  std::lock_guard const lock(mutex_);
  return waiting_.size();
}

void retention_outbox::post(entry report) {
  std::lock_guard const lock(mutex_);
  if (peers_.count(role::retention) != 0) return send(report);
  if (waiting_.size() >= capacity_) waiting_.pop_front();
  waiting_.push_back(std::move(report));
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
