#include "cluster/peer.hpp"
#include "protocol/msgpack/envelope.hpp"

namespace mayfly::cluster {
namespace {

/// The header's fields that a message knows already: under which lease it travels, and for how long.
template <message M>
wire::route way_of(M const& message, node_id sender, node_id receiver) {
  wire::route way;
  way.sender = sender;
  way.receiver = receiver;
  if constexpr (requires { way.lease = message.request; }) way.lease = message.request;
  if constexpr (requires { way.time_left = message.time_left; }) way.time_left = message.time_left;
  return way;
}

} // namespace

ephemeral_bytes parcel::encode(node_id sender, node_id receiver) const {
  ephemeral_bytes envelope;
  messages::catalogue::for_each([&]<class Entry>() {
    if (Entry::number != kind_) return;
    auto const& message = *static_cast<typename Entry::message_type const*>(message_.get());
    envelope = wire::encode_envelope(way_of(message, sender, receiver), message);
  });
  return envelope;
}

} // namespace mayfly::cluster
