#include "cluster/transport/link_loop.hpp"

#include <limits>

namespace mayfly::cluster {
namespace {

constexpr int frames_a_turn = 256;
constexpr std::chrono::milliseconds beat_interval{50};
constexpr std::chrono::milliseconds flush_time{200};

/// Why a connection attempt ended, as its monitor tells.
error reason_of(socket_event const& event, session_state state) {
  switch (event.kind) {
  case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    return {errc::untrusted, "the other end does not trust our key", event.value};
  case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    return {errc::untrusted, "the other end does not hold the key", event.value};
  default:
    break;
  }
  if (state == session_state::connecting) return {errc::unavailable, "nobody accepts the link", event.value};
  return {errc::unavailable, "the peer closed the link", 0};
}

zmq_pollitem_t readable(link_socket const& socket) { return {socket.raw(), 0, ZMQ_POLLIN, 0}; }

} // namespace

link_loop::link_loop(link_context const& context, transport_options const& options, link_listener& listener,
                     trust_set const& trust, std::shared_ptr<outbox> out)
    : context_(context), options_(options), listener_(listener), out_(out),
      protocol_(options, listener, trust, std::move(out)) {
  if (!options_.bind.empty()) acceptor_.emplace(context_, options_, trust, protocol_);
}

result<void> link_loop::bind() {
  if (!acceptor_) return {};
  auto bound = acceptor_->bind();
  endpoint_ = acceptor_->endpoint();
  return bound;
}

void link_loop::run() {
  while (!stopping_) turn();
  flush();
  for (auto const number : protocol_.numbers()) hang_up(number);
  wipe_stack();
}

void link_loop::turn() {
  wait();
  take_outbox();
  receive();
  beat_if_due();
}

std::vector<zmq_pollitem_t> link_loop::items() const {
  std::vector<zmq_pollitem_t> all{{nullptr, out_->descriptor(), ZMQ_POLLIN, 0}};
  if (acceptor_) {
    if (open_) all.push_back(readable(acceptor_->router()));
    all.push_back(readable(acceptor_->monitor()));
    all.push_back(readable(acceptor_->questions()));
  }
  for (auto const number : dialled_) {
    auto const* const one = dialled(number);
    if (one == nullptr) continue;
    all.push_back(readable(one->socket()));
    all.push_back(readable(one->monitor().socket()));
  }
  return all;
}

void link_loop::wait() {
  auto all = items();
  wipe_stack();
  zmq_poll(all.data(), static_cast<int>(all.size()), static_cast<long>(beat_interval.count()));
}

void link_loop::take_outbox() {
  out_->take(frames_, orders_);
  for (auto& order : orders_) order();
  for (auto& [session, frame] : frames_) protocol_.send(session, std::move(frame));
  orders_.clear();
  frames_.clear();
}

void link_loop::receive() {
  if (acceptor_) {
    acceptor_->watch();
    if (open_) acceptor_->receive(frames_a_turn);
  }
  for (auto const number : std::vector(dialled_)) {
    if (auto* const one = dialled(number)) watch(*one);
    if (auto* const one = dialled(number)) receive(*one, frames_a_turn);
  }
  std::erase_if(dialled_, [&](auto number) { return dialled(number) == nullptr; });
}

void link_loop::receive(dialled_session& from, int most) {
  auto const number = from.number;
  for (int count = 0; count < most && dialled(number) != nullptr; ++count) {
    frame_part frame;
    if (!frame.receive(from.socket())) return;
    if (discard_rest(from.socket(), frame))
      protocol_.drop(number, {errc::malformed, "a message of several frames", 0});
    else
      protocol_.arrived(number, frame.bytes());
  }
}

void link_loop::watch(dialled_session& one) {
  auto const number = one.number;
  while (dialled(number) != nullptr) {
    auto const event = one.monitor().next();
    if (!event) return;
    take_event(one, *event);
  }
}

void link_loop::take_event(dialled_session& one, socket_event const& event) {
  auto const number = one.number;
  switch (event.kind) {
  case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
    one.socket().refresh();
    protocol_.connected(one);
    break;
  case ZMQ_EVENT_CLOSED:
  case ZMQ_EVENT_DISCONNECTED:
  case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
  case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
  case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: {
    auto const why = reason_of(event, one.state);
    // What it said before it closed still counts.
    receive(one, std::numeric_limits<int>::max());
    protocol_.drop(number, why);
    break;
  }
  default:
    break;
  }
}

void link_loop::beat_if_due() {
  auto const now = boot_clock::now();
  if (now < next_beat_) return;
  next_beat_ = now + beat_interval;
  protocol_.beat();
  if (acceptor_) acceptor_->forget_old();
  listener_.beat();
}

void link_loop::flush() {
  auto const ends = boot_clock::now() + flush_time;
  take_outbox();
  while (protocol_.queued_bytes() != 0 && boot_clock::now() < ends) {
    zmq_poll(nullptr, 0, 1);
    receive();
  }
}

void link_loop::dial(dial_number number, dial_request request) {
  auto const& fresh =
      protocol_.add(std::make_unique<dialled_session>(number, context_, options_, std::move(request)));
  dialled_.push_back(number);
  auto const made = static_cast<dialled_session const&>(fresh).socket().failure();
  if (!made) protocol_.drop(number, made.failure());
}

void link_loop::hang_up(dial_number number) {
  if (auto* const one = dialled(number)) one->forget();
  protocol_.drop(number, {errc::unavailable, "hung up", 0});
}

dialled_session* link_loop::dialled(session_number number) const noexcept {
  return dynamic_cast<dialled_session*>(protocol_.find(number));
}

} // namespace mayfly::cluster
