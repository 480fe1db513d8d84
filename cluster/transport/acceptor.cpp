#include "cluster/transport/acceptor.hpp"

#include <limits>

namespace mayfly::cluster {
namespace {

constexpr int enforce_domain = 93; // ZMQ_ZAP_ENFORCE_DOMAIN stands in the draft part of zmq.h

// Frames of a dropped session may wait in the ROUTER; an id that is forgotten too early would begin anew.
constexpr std::chrono::seconds memory_of_the_gone{10};

} // namespace

acceptor::acceptor(link_context const& context, transport_options const& options, trust_set const& trust,
                   link_protocol& protocol)
    : options_(options), protocol_(protocol), zap_(context, trust), router_(context, ZMQ_ROUTER),
      monitor_(context, router_, ZMQ_EVENT_DISCONNECTED) {
  set_link_options(router_, options_);
  router_.set(ZMQ_CURVE_SERVER, 1);
  router_.set(ZMQ_ZAP_DOMAIN, zap_domain);
  router_.set(enforce_domain, 1);
  router_.set(ZMQ_ROUTER_MANDATORY, 1);
}

result<void> acceptor::bind() {
  auto const guarded = zap_.socket().failure();
  if (!guarded) return guarded;
  router_.bind(options_.bind.text());
  auto const bound = router_.failure();
  if (!bound) return bound;
  auto parsed = name::parse(router_.last_endpoint());
  if (!parsed) return parsed.failure();
  endpoint_ = std::move(*parsed);
  return {};
}

bool acceptor::receive(int most) {
  for (int count = 0; count < most; ++count)
    if (!receive_one()) return false;
  return true;
}

bool acceptor::receive_one() {
  frame_part id;
  frame_part frame;
  if (!id.receive(router_)) return false;
  if (!id.more() || !frame.receive(router_)) return true;
  bool const excess = discard_rest(router_, frame);
  auto const* const from = arrival_of(id.text(), frame);
  if (from == nullptr) return true;
  auto const number = from->session;
  if (excess)
    protocol_.drop(number, {errc::malformed, "a message of several frames", 0});
  else if (frame.property("User-Id") != from->user_id)
    protocol_.drop(number, {errc::untrusted, "a connection changed its key", 0});
  else
    protocol_.arrived(number, frame.bytes());
  return true;
}

acceptor::arrival* acceptor::arrival_of(std::string const& routing_id, frame_part& first) {
  auto place = arrivals_.find(routing_id);
  if (place == arrivals_.end()) {
    auto const key = key_of(first.property("User-Id"));
    if (!key) return nullptr;
    auto const& fresh = protocol_.add(std::make_unique<accepted_session>(
        router_, routing_id, *key, first.descriptor(), options_.outbox_bytes));
    place = arrivals_.emplace(routing_id, arrival{fresh.number, user_id_of(*key), {}}).first;
  }
  place->second.last = boot_clock::now();
  return &place->second;
}

void acceptor::watch() {
  zap_.answer();
  while (auto const event = monitor_.next()) {
    // What it said before it closed still counts.
    receive(std::numeric_limits<int>::max());
    closed(event->value);
  }
}

void acceptor::closed(int descriptor) {
  accepted_session* oldest = nullptr; // a newer one may have the same descriptor already
  for (auto const& [id, from] : arrivals_) {
    auto* const one = dynamic_cast<accepted_session*>(protocol_.find(from.session));
    if (one != nullptr && one->descriptor() == descriptor &&
        (oldest == nullptr || one->number < oldest->number))
      oldest = one;
  }
  if (oldest == nullptr) return;
  oldest->disown_descriptor();
  protocol_.drop(oldest->number, {errc::unavailable, "the peer closed the link", 0});
}

void acceptor::forget_old() {
  auto const now = boot_clock::now();
  std::erase_if(arrivals_, [&](auto const& entry) {
    return protocol_.find(entry.second.session) == nullptr && now - entry.second.last > memory_of_the_gone;
  });
}

} // namespace mayfly::cluster
