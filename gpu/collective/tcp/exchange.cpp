#include "gpu/collective/tcp/exchange.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

namespace mayfly::gpu::tcp {
namespace {

using notice = std::uint16_t; ///< a message of two bytes names a lost rank; numbers come four bytes each

constexpr std::chrono::milliseconds longest_nap{100};

/// The rank that a message says is lost, if it does.
std::optional<loss> named_in(std::span<std::byte const> message) {
  notice named = 0;
  if (message.size() != sizeof named) return std::nullopt;
  std::memcpy(&named, message.data(), sizeof named);
  return loss{named};
}

} // namespace

exchange::exchange(channels& peers, std::chrono::microseconds spin)
    : peers_(peers), spin_(spin), streams_(peers.size()), flushed_(peers.size(), true) {}

std::vector<stream>& exchange::restart() {
  std::ranges::fill(streams_, stream{});
  return streams_;
}

std::optional<loss> exchange::run(deadline until, std::function<bool()> const& consume) {
  auto idle_since = boot_clock::now();
  for (;;) {
    bool moved = false;
    if (auto const lost = move_all(moved)) return lost;
    moved = consume() || moved;
    bool done = true;
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) done = done && is_done(peer);
    if (done) return std::nullopt;
    auto const now = boot_clock::now();
    if (moved) idle_since = now;
    if (now >= until) return missing();
    if (now - idle_since >= spin_)
      sleep(until);
    else if (!moved)
      std::this_thread::yield(); // to a rank that shares this processor
  }
}

std::optional<loss> exchange::move_all(bool& moved) {
  for (std::size_t peer = 0; peer < peers_.size(); ++peer) {
    if (peers_[peer] == nullptr || is_done(peer)) continue;
    auto const pushed = push(peer);
    if (!pushed) return last_words(peer);
    moved = moved || *pushed;
    if (auto const lost = pull(peer, moved)) return lost;
  }
  return std::nullopt;
}

result<bool> exchange::push(std::size_t peer) {
  auto& to = streams_[peer];
  bool moved = false;
  while (to.offered < to.outgoing.size()) {
    auto const part =
        to.outgoing.subspan(to.offered, std::min(chunk_floats, to.outgoing.size() - to.offered));
    auto const taken = peers_[peer]->offer(std::as_bytes(part));
    if (!taken) return taken.failure();
    flushed_[peer] = false;
    if (!*taken) break;
    to.offered += part.size();
    moved = true;
  }
  if (flushed_[peer]) return moved;
  auto const empty = peers_[peer]->flush();
  if (!empty) return empty.failure();
  flushed_[peer] = *empty;
  return moved || *empty;
}

std::optional<loss> exchange::pull(std::size_t peer, bool& moved) {
  auto& from = streams_[peer];
  if (from.held != nullptr || from.taken == from.incoming) return std::nullopt;
  loss const silent{static_cast<std::uint32_t>(peer)};
  auto const taken = peers_[peer]->take();
  if (!taken) return silent;
  if (!*taken) return std::nullopt;
  auto const message = **taken;
  if (auto const named = named_in(message)) return named;
  if (message.size() != from.held_floats() * sizeof(float)) return silent; // it runs another operation
  from.held = message.data();
  moved = true;
  return std::nullopt;
}

/// Of a peer that has closed: the rank it named, or else itself.
loss exchange::last_words(std::size_t peer) {
  loss const silent{static_cast<std::uint32_t>(peer)};
  for (;;) {
    auto const taken = peers_[peer]->take();
    if (!taken || !*taken) return silent;
    if (auto const named = named_in(**taken)) return *named;
  }
}

bool exchange::is_done(std::size_t peer) const noexcept {
  auto const& with = streams_[peer];
  return with.offered == with.outgoing.size() && with.taken == with.incoming && flushed_[peer];
}

void exchange::sleep(deadline until) {
  polled_.clear();
  for (std::size_t peer = 0; peer < peers_.size(); ++peer) {
    if (peers_[peer] == nullptr || is_done(peer)) continue;
    auto const& with = streams_[peer];
    int const wanted = (with.taken < with.incoming && with.held == nullptr ? POLLIN : 0) |
                       (with.offered < with.outgoing.size() || !flushed_[peer] ? POLLOUT : 0);
    polled_.push_back({peers_[peer]->descriptor(), static_cast<short>(wanted), 0});
  }
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - boot_clock::now());
  ::poll(polled_.data(), polled_.size(), static_cast<int>(std::clamp(left, {}, longest_nap).count()));
}

/// Who has not given its share, or else has not taken ours.
loss exchange::missing() const noexcept {
  std::size_t stuck = 0;
  for (std::size_t peer = peers_.size(); peer-- > 0;) {
    auto const& with = streams_[peer];
    if (with.taken < with.incoming && with.held == nullptr) return {static_cast<std::uint32_t>(peer)};
    if (!is_done(peer)) stuck = peer;
  }
  return {static_cast<std::uint32_t>(stuck)};
}

std::optional<loss> exchange::look() {
  for (std::size_t peer = 0; peer < peers_.size(); ++peer) {
    if (peers_[peer] == nullptr) continue;
    pollfd end{peers_[peer]->descriptor(), POLLRDHUP, 0};
    if (::poll(&end, 1, 0) <= 0) continue;
    return last_words(peer);
  }
  return std::nullopt;
}

void exchange::tell(loss of) {
  auto const named = static_cast<notice>(of.rank);
  for (std::size_t peer = 0; peer < peers_.size(); ++peer)
    if (peers_[peer] != nullptr && peer != of.rank)
      static_cast<void>(peers_[peer]->offer(std::as_bytes(std::span(&named, 1))));
}

} // namespace mayfly::gpu::tcp
