#include "actors/gateway/receipt_search.hpp"

namespace mayfly::actors {

using messages::role;

void receipt_search::start(find_receipt const& asked, peer_table const& peers, deadline now) {
  std::vector<cluster::peer_ref> holders;
  auto const own = peers.find(node_id{asked.request.retention.value});
  if (own != nullptr && messages::has_role(own->roles(), role::retention))
    holders.push_back(own);
  else
    peers.for_each(roles_of(role::retention), [&](auto const& peer) { holders.push_back(peer); });

  auto const correlation = next_correlation_++;
  auto const at =
      searches_.emplace(correlation, search{asked.request, asked.sink, {}, now + patience + margin, false})
          .first;
  for (auto const& holder : holders) at->second.awaited.push_back(holder->node());
  if (holders.empty()) {
    end(at);
    return;
  }
  for (auto const& holder : holders)
    holder->send(messages::receipt_query{correlation, asked.request, asked.account, patience});
}

void receipt_search::answered(node_id from, messages::receipt_answer const& answer) {
  auto const at = searches_.find(answer.correlation);
  if (at == searches_.end() || at->second.request != answer.request) return;
  if (answer.state == messages::receipt_state::unknown) {
    at->second.heard = true;
    stop_awaiting(at, from);
    return;
  }
  at->second.sink->deliver(answer);
  searches_.erase(at);
}

void receipt_search::left(node_id node) {
  for (auto at = searches_.begin(); at != searches_.end();) at = stop_awaiting(at, node);
}

void receipt_search::tick(deadline now) {
  for (auto at = searches_.begin(); at != searches_.end();)
    at = now < at->second.until ? std::next(at) : end(at);
}

receipt_search::place receipt_search::stop_awaiting(place at, node_id node) {
  auto& awaited = at->second.awaited;
  bool const was_awaited = std::erase(awaited, node) != 0;
  return was_awaited && awaited.empty() ? end(at) : std::next(at);
}

receipt_search::place receipt_search::end(place at) {
  if (at->second.heard) {
    messages::receipt_answer answer;
    answer.request = at->second.request;
    at->second.sink->deliver(std::move(answer));
  } else {
    at->second.sink->unreachable();
  }
  return searches_.erase(at);
}

} // namespace mayfly::actors
