#include "cluster/transport/outbox.hpp"

#include <new>
#include <sys/eventfd.h>
#include <unistd.h>

namespace mayfly::cluster {

outbox::outbox() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::bad_alloc();
}

outbox::~outbox() { ::close(descriptor_); }

void outbox::push(session_number session, frame_owner frame) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  bool const first = frames_.empty() && orders_.empty();
  frames_.push_back({session, std::move(frame)});
  lock.unlock();
  if (first) wake();
}

void outbox::push(order what) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  bool const first = frames_.empty() && orders_.empty();
  orders_.push_back(std::move(what));
  lock.unlock();
  if (first) wake();
}

void outbox::close() {
  std::vector<addressed_frame> frames;
  std::vector<order> orders;
  std::lock_guard const lock(mutex_);
  closed_ = true;
  frames_.swap(frames);
  orders_.swap(orders);
}

void outbox::wake() const noexcept {
  std::uint64_t const one = 1;
  // Cannot fail but when the counter is full, and then it is readable.
  [[maybe_unused]] auto const written = write(descriptor_, &one, sizeof one);
}

void outbox::take(std::vector<addressed_frame>& frames, std::vector<order>& orders) {
  std::uint64_t count = 0;
  std::lock_guard const lock(mutex_);
  [[maybe_unused]] auto const taken = read(descriptor_, &count, sizeof count);
  frames_.swap(frames);
  orders_.swap(orders);
}

void link_peer::deliver(parcel message) const {
  if (way_.account->closed) return;
  try {
    auto frame = std::make_unique<outgoing_frame>(message.encode(way_.self, node()), way_.account);
    // The other end would drop the whole link over it.
    if (frame->bytes().size() > way_.max_message_bytes) return;
    if (way_.account->queued_bytes > way_.account->bound_bytes)
      return give_up({errc::overloaded, "the peer does not take what it is sent", 0});
    way_.out->push(way_.session, std::move(frame));
  } catch (std::bad_alloc const&) {
    give_up({errc::out_of_memory, "no memory for an outgoing message", 0});
  }
}

void link_peer::give_up(error why) const {
  if (!way_.account->closed.exchange(true)) way_.give_up(way_.session, why);
}

} // namespace mayfly::cluster
