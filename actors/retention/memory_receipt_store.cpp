#include "actors/retention/memory_receipt_store.hpp"

namespace mayfly::actors {

void memory_receipt_store::begin() {
  if (!before_) before_ = now_;
}

result<void> memory_receipt_store::put_lease(lease_record const& lease) {
  begin();
  now_.leases.insert_or_assign(lease.request, lease);
  return {};
}

result<void> memory_receipt_store::put_holder(messages::holder_registered const& holder) {
  begin();
  auto const at = now_.leases.find(holder.request);
  if (at != now_.leases.end()) at->second.holders.push_back(holder);
  return {};
}

result<void> memory_receipt_store::put_receipt(messages::signed_receipt const& receipt,
                                               chain_head const& head) {
  begin();
  auto const& body = receipt.body;
  if (body.counter != now_.head.counter + 1) return error{errc::io, "a receipt out of its place", 0};
  now_.receipts.insert_or_assign(body.request, receipt);
  now_.head = head;
  auto const at = now_.leases.find(body.request);
  if (at != now_.leases.end() && body.confirmed)
    now_.leases.erase(at);
  else if (at != now_.leases.end())
    at->second.unconfirmed = true;
  return {};
}

result<void> memory_receipt_store::commit() {
  before_.reset();
  return {};
}

void memory_receipt_store::roll_back() {
  if (before_) now_ = std::move(*before_);
  before_.reset();
}

result<std::optional<messages::signed_receipt>> memory_receipt_store::find(request_id request) {
  auto const at = now_.receipts.find(request);
  if (at == now_.receipts.end()) return std::optional<messages::signed_receipt>{};
  return std::optional(at->second);
}

result<chain_head> memory_receipt_store::head() { return now_.head; }

result<std::vector<lease_record>> memory_receipt_store::open_leases() {
  std::vector<lease_record> open;
  open.reserve(now_.leases.size());
  for (auto const& [request, lease] : now_.leases) open.push_back(lease);
  return open;
}

} // namespace mayfly::actors
