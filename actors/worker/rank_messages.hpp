#pragma once
// Messages of protocol/messages/group.hpp over a channel between two ranks: one envelope a frame.
#include "protocol/base/clock.hpp"
#include "protocol/base/secure_channel.hpp"
#include "protocol/msgpack/envelope.hpp"

namespace mayfly::actors {

/// Errors: those of the channel.
template <messages::message M>
result<void> send_to_rank(secure_channel& to, M const& message, deadline until) {
  auto const frame = wire::encode_envelope({}, message);
  return to.send(frame.reveal(), until);
}

/// The next message, its payload where it lies in the channel's buffer: valid until the channel is used
/// again. Errors: those of the channel and of `open_envelope`.
inline result<wire::envelope_view> receive_from_rank(secure_channel& from, deadline until) {
  auto const frame = from.receive(until);
  if (!frame) return frame.failure();
  return wire::open_envelope(*frame);
}

/// The next message, which must be an M.
template <messages::message M>
result<M> expect_from_rank(secure_channel& from, deadline until) {
  auto const opened = receive_from_rank(from, until);
  if (!opened) return opened.failure();
  return wire::payload_of<M>(*opened);
}

} // namespace mayfly::actors
