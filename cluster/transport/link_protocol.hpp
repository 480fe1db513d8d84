#pragma once
// What two nodes owe each other on a connection: hello first, then messages of the right sender and receiver,
// and a sign of life. Knows sessions, no sockets. For the link thread alone.
#include "cluster/transport/session.hpp"
#include "cluster/transport/trust_set.hpp"
#include "protocol/msgpack/envelope.hpp"

#include <unordered_map>

namespace mayfly::cluster {

class link_protocol {
public:
  link_protocol(transport_options const& options, link_listener& listener, trust_set const& trust,
                std::shared_ptr<outbox> out);

  session& add(std::unique_ptr<session> fresh);
  session* find(session_number number) const noexcept;
  std::vector<session_number> numbers() const;
  /// Frames that no link has encrypted yet, in bytes.
  std::size_t queued_bytes() const noexcept;

  /// The connection stands: greets.
  void connected(session& fresh);
  /// One whole frame; the session may be gone after.
  void arrived(session_number from, std::span<std::byte const> frame);
  void send(session_number to, frame_owner frame);
  void drop(session_number number, error const& why);
  void drop(node_id node, error const& why);
  /// Heartbeats, and the end of whoever is silent, revoked, refused or too slow to greet.
  void beat();

private:
  result<void> take(session& from, wire::envelope_view const& opened);
  result<void> take_hello(session& from, wire::envelope_view const& opened);
  result<void> welcome(session& from, messages::hello const& theirs);
  result<void> settle_double(session& fresh, node_id node);
  void refuse(session& from, error const& why);
  template <message M>
  bool say(session& to, M message);
  bool trusted(session& from) const;
  void beat(session& one);
  std::optional<error> overdue(session& one, boot_clock::time_point now) const;

  transport_options const& options_;
  messages::hello greeting_;
  link_listener& listener_;
  trust_set const& trust_;
  std::shared_ptr<outbox> out_;
  std::unordered_map<session_number, std::unique_ptr<session>> sessions_;
  std::unordered_map<node_id, session_number> up_;
};

} // namespace mayfly::cluster
