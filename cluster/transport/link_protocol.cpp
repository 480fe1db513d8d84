#include "cluster/transport/link_protocol.hpp"

#include "cluster/transport/greeting.hpp"

namespace mayfly::cluster {
namespace {

constexpr std::chrono::milliseconds refusal_time{500}; // for a refusal to reach the other end

constexpr error peer_gone{errc::unavailable, "the link is closed", 0};

template <message M>
constexpr bool is(wire::envelope_view const& opened) {
  return opened.header.kind == messages::kind_of<M>::number;
}

} // namespace

link_protocol::link_protocol(transport_options const& options, link_listener& listener,
                             trust_set const& trust, std::shared_ptr<outbox> out)
    : options_(options),
      greeting_{options.oldest_version, options.newest_version, options.node, options.roles},
      listener_(listener), trust_(trust), out_(std::move(out)) {}

session& link_protocol::add(std::unique_ptr<session> fresh) {
  auto const number = fresh->number;
  return *(sessions_[number] = std::move(fresh));
}

session* link_protocol::find(session_number number) const noexcept {
  auto const place = sessions_.find(number);
  return place == sessions_.end() ? nullptr : place->second.get();
}

std::vector<session_number> link_protocol::numbers() const {
  std::vector<session_number> all;
  all.reserve(sessions_.size());
  for (auto const& [number, one] : sessions_) all.push_back(number);
  return all;
}

std::size_t link_protocol::queued_bytes() const noexcept {
  std::size_t sum = 0;
  for (auto const& [number, one] : sessions_) sum += one->account->queued_bytes;
  return sum;
}

void link_protocol::connected(session& fresh) {
  fresh.state = session_state::greeting;
  if (!say(fresh, greeting_)) drop(fresh.number, peer_gone);
}

void link_protocol::arrived(session_number number, std::span<std::byte const> frame) {
  auto* const from = find(number);
  if (from == nullptr || from->state == session_state::refused) return;
  if (!trusted(*from)) return drop(number, {errc::untrusted, "the key is revoked", 0});
  from->last_received = boot_clock::now();
  auto const opened = wire::open_envelope(frame, {.max_bytes = options_.max_message_bytes});
  auto const outcome = opened ? take(*from, *opened) : result<void>(opened.failure());
  // Within a major version unknown kinds are tolerated, but not before the version is agreed.
  if (outcome || (from->state == session_state::up && outcome.failure().code == errc::unsupported)) return;
  drop(number, outcome.failure());
}

result<void> link_protocol::take(session& from, wire::envelope_view const& opened) {
  if (is<messages::hello>(opened)) return take_hello(from, opened);
  if (is<messages::refusal>(opened) && from.direction == link_direction::dialled &&
      from.state == session_state::greeting) {
    auto const refusal = wire::payload_of<messages::refusal>(opened);
    if (!refusal) return refusal.failure();
    return error{static_cast<errc>(refusal->code), "the other end refused the link", refusal->code};
  }
  if (from.state != session_state::up) return error{errc::malformed, "a message before hello", 0};
  if (opened.header.sender != from.node) return error{errc::untrusted, "a message in another's name", 0};
  // Meant for a process that was here before us.
  if (opened.header.receiver != options_.node || is<messages::heartbeat>(opened)) return {};
  return listener_.arrived(from.peer, opened);
}

result<void> link_protocol::take_hello(session& from, wire::envelope_view const& opened) {
  if (from.state != session_state::greeting) return error{errc::malformed, "a second hello", 0};
  auto const theirs = wire::payload_of<messages::hello>(opened);
  if (!theirs) return theirs.failure();
  auto judged = judge_hello(greeting_, *theirs, opened.header.sender, from.node);
  if (judged && !trust_.matches(from.key, theirs->node, theirs->roles))
    judged = error{errc::untrusted, "the key belongs to another member", 0};
  if (judged) judged = settle_double(from, theirs->node);
  if (judged) return welcome(from, *theirs);
  if (from.direction == link_direction::dialled) return judged;
  refuse(from, judged.failure());
  return {};
}

result<void> link_protocol::welcome(session& from, messages::hello const& theirs) {
  from.node = theirs.node;
  if (from.direction == link_direction::accepted && !say(from, greeting_)) return peer_gone;
  auto give_up = [this, out = out_](session_number number, error why) {
    out->push([this, number, why] { drop(number, why); });
  };
  from.peer = std::make_shared<link_peer>(
      theirs, from.key,
      link_peer::way{options_.node, from.number, options_.max_message_bytes, out_, from.account, give_up});
  from.state = session_state::up;
  up_[from.node] = from.number;
  listener_.up(from.peer, from.direction);
  from.came_up();
  return {};
}

/// Two links between two nodes: of one direction the newer stays (the older one's end is only not noticed
/// yet); of two directions the one that the smaller node dialled.
result<void> link_protocol::settle_double(session& fresh, node_id node) {
  auto const place = up_.find(node);
  if (place == up_.end()) return {};
  auto const* const old = find(place->second);
  auto const preferred = options_.node < node ? link_direction::dialled : link_direction::accepted;
  if (old != nullptr && old->direction != fresh.direction && fresh.direction != preferred)
    return error{errc::unavailable, "the nodes are linked already", 0};
  drop(place->second, {errc::unavailable, "another link took its place", 0});
  return {};
}

void link_protocol::refuse(session& from, error const& why) {
  say(from, messages::refusal{static_cast<std::uint16_t>(why.code)});
  from.state = session_state::refused;
  from.since = boot_clock::now();
}

template <message M>
bool link_protocol::say(session& to, M message) {
  auto frame = parcel(std::move(message)).encode(options_.node, to.node);
  to.last_sent = boot_clock::now();
  return to.transmit(std::make_unique<outgoing_frame>(std::move(frame), to.account));
}

void link_protocol::send(session_number number, frame_owner frame) {
  auto* const to = find(number);
  if (to == nullptr || to->state != session_state::up) return;
  to->last_sent = boot_clock::now();
  if (!to->transmit(std::move(frame))) drop(number, peer_gone);
}

void link_protocol::drop(session_number number, error const& why) {
  auto const place = sessions_.find(number);
  if (place == sessions_.end()) return;
  auto const gone = std::move(place->second);
  sessions_.erase(place);
  gone->account->closed = true;
  bool const was_up = gone->state == session_state::up;
  if (was_up) up_.erase(gone->node);
  if (was_up) listener_.down(gone->peer, why);
  gone->ended(why);
}

void link_protocol::drop(node_id node, error const& why) {
  if (auto const place = up_.find(node); place != up_.end()) drop(place->second, why);
}

bool link_protocol::trusted(session& from) const {
  auto const version = trust_.version();
  if (from.trust_version == version) return true;
  // We chose whom to dial: its key need not be in the list, but must not have been thrown out of it.
  bool const fine =
      from.direction == link_direction::accepted ? trust_.admits(from.key) : !trust_.revoked(from.key);
  if (fine) from.trust_version = version;
  return fine;
}

std::optional<error> link_protocol::overdue(session& one, boot_clock::time_point now) const {
  if (!trusted(one)) return error{errc::untrusted, "the key is revoked", 0};
  switch (one.state) {
  case session_state::connecting:
  case session_state::greeting:
    if (now - one.since > options_.handshake) return error{errc::unavailable, "no hello in time", 0};
    break;
  case session_state::refused:
    if (now - one.since > refusal_time) return error{errc::unavailable, "the link was refused", 0};
    break;
  case session_state::up:
    if (now - one.last_received > options_.silence) return error{errc::unavailable, "the peer is silent", 0};
    break;
  }
  return std::nullopt;
}

void link_protocol::beat(session& one) {
  auto const now = boot_clock::now();
  if (auto const why = overdue(one, now)) return drop(one.number, *why);
  if (one.state != session_state::up || now - one.last_sent < options_.idle) return;
  if (!say(one, messages::heartbeat{++one.heartbeats})) drop(one.number, peer_gone);
}

void link_protocol::beat() {
  for (auto const number : numbers())
    if (auto* const one = find(number)) beat(*one);
}

} // namespace mayfly::cluster
