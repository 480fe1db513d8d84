#pragma once
// The secure channel over a connected TCP or Unix stream socket. Who forms a group makes a random key of 32
// bytes for the epoch and gives each rank the key with its connected descriptors; nothing else is agreed on.
//
// On the wire: each end first says 40 bytes in clear, a magic number and a random salt. Then frames: their
// length (4 bytes, little-endian, authenticated), the sealed message (ChaCha20-Poly1305). Each direction has
// a key of its own, derived with BLAKE2b from the group's key, the terms below, from and to, and both salts:
// no nonce comes twice even if an epoch does, and what was recorded on another connection does not open. The
// first frame each way is empty and proves the key. A message's length is not hidden.
#include "protocol/base/secure_channel.hpp"

#include <memory>
#include <string>

namespace mayfly::cluster {

/// What both ends must agree on, or no frame opens.
struct channel_terms {
  std::string group;   ///< whose ranks speak
  std::string purpose; ///< what about ("collective", "plan"): a channel a purpose
  std::uint64_t epoch = 0;
  std::uint32_t own_rank = 0;
  std::uint32_t peer_rank = 0;
  std::size_t largest_message_bytes = std::size_t{1} << 20;
};

/// Takes the socket over (it is closed on failure, too) and greets the peer, which must do the same
/// meanwhile. Errors: invalid_request (a key that has not 32 bytes, a rank that speaks to itself), io
/// (`number`: errno), version_mismatch (no such greeting), untrusted (another key or other terms),
/// worker_lost (the peer closed), deadline_exceeded.
result<std::unique_ptr<secure_channel>> open_sealed_channel(int socket, channel_terms const& terms,
                                                            std::span<std::byte const> group_key,
                                                            deadline until);

} // namespace mayfly::cluster
