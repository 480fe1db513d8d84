#pragma once
// Numbers on their way between this rank and each other one, both ways at once and never blocking: whoever
// only sends while its peer only sends would wait for ever.
#include "protocol/base/secure_channel.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <poll.h>
#include <vector>

namespace mayfly::gpu::tcp {

/// Of one message: large enough to spare calls, small enough that a sender seals the next while the receiver
/// opens this one.
inline constexpr std::size_t chunk_floats = std::size_t{16} << 10;

/// By rank; this rank's own is null.
using channels = std::vector<std::unique_ptr<secure_channel>>;

/// What goes to and comes from one other rank in one exchange.
struct stream {
  std::span<float const> outgoing;
  std::size_t incoming = 0;        ///< floats
  std::size_t offered = 0;         ///< floats that have left `outgoing`
  std::size_t taken = 0;           ///< floats that `consume` is done with
  std::byte const* held = nullptr; ///< the chunk that follows them, once it is here

  std::size_t held_floats() const noexcept { return std::min(chunk_floats, incoming - taken); }
  void release() noexcept {
    taken += held_floats();
    held = nullptr;
  }
};

/// Why an exchange ended early: the rank that is lost.
struct loss {
  std::uint32_t rank;
};

class exchange {
public:
  /// `spin`: how long to look again and again before sleeping in the kernel.
  exchange(channels& peers, std::chrono::microseconds spin);

  /// The streams of the next `run`, by rank, all empty.
  std::vector<stream>& restart();

  /// Moves all streams to their end. `consume` uses held chunks and releases them; it says whether it did.
  /// A failed channel, a peer's word that another rank is lost, or the deadline ends it early.
  std::optional<loss> run(deadline until, std::function<bool()> const& consume);

  /// A peer that closed its end, or told that another rank is lost. Looks, never waits.
  std::optional<loss> look();

  /// Tells all but the lost rank itself who is lost, as far as sockets take it.
  void tell(loss of);

private:
  std::optional<loss> move_all(bool& moved);
  result<bool> push(std::size_t peer);
  std::optional<loss> pull(std::size_t peer, bool& moved);
  loss last_words(std::size_t peer);
  bool is_done(std::size_t peer) const noexcept;
  void sleep(deadline until);
  loss missing() const noexcept;

  channels& peers_;
  std::chrono::microseconds spin_;
  std::vector<stream> streams_;
  std::vector<bool> flushed_;
  std::vector<pollfd> polled_;
};

} // namespace mayfly::gpu::tcp
