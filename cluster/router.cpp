#include "cluster/router.hpp"

#include "protocol/msgpack/envelope.hpp"

namespace mayfly::cluster {

void router::deliver(peer_ref const& from, parcel const& arrived) const {
  auto const line = takers_.find(arrived.kind());
  if (line == takers_.end()) return;
  for (auto const& take : line->second) take(from, arrived);
}

result<void> router::deliver(peer_ref const& from, std::span<std::byte const> envelope) const {
  auto const opened = wire::open_envelope(envelope);
  if (!opened) return opened.failure();
  return deliver(from, *opened);
}

result<void> router::deliver(peer_ref const& from, wire::envelope_view const& opened) const {
  // Looked up before decoding: what nobody here takes costs nothing.
  if (!takers_.contains(opened.header.kind))
    return error{errc::unsupported, "no role here takes this kind", opened.header.kind};
  return wire::visit_payload(opened, [&](auto decoded) { deliver(from, parcel(std::move(decoded))); });
}

} // namespace mayfly::cluster
