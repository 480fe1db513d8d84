#pragma once
// An ordered pipe of messages between two ranks of a group, authenticated and encrypted, over a connected
// socket. The contract stands here because the engine speaks through it and knows no cipher, and the cluster
// implements it and knows no engine. One thread uses a channel; `abort` alone may come from any.
#include "protocol/base/clock.hpp"
#include "protocol/base/result.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace mayfly {

/// Errors of every call, for good once one was returned: worker_lost (the peer closed or its host is gone),
/// truncated (it closed within a message), untrusted (bytes that it did not send, or not in this place),
/// too_large (announced beyond the bound), cancelled (aborted here), io (`number`: errno). What the peer said
/// before it closed can still be taken after sending has failed.
class secure_channel {
public:
  virtual ~secure_channel() = default;

  /// Sends one message and waits until the socket has taken it. Two ends that both send more than sockets
  /// hold wait for each other until the deadline: who must send and receive at once uses `offer` and `take`.
  /// Errors besides: too_large (of this message; the channel stays whole), deadline_exceeded (the message is
  /// under way and the next call goes on with it).
  result<void> send(std::span<std::byte const> message, deadline until);

  /// The next message: valid until the next `receive`, `take` or `scrub`, which wipe it. Errors besides:
  /// deadline_exceeded (nothing is lost).
  result<std::span<std::byte const>> receive(deadline until);

  /// Takes a message over to be sent, or says false where too much of earlier ones waits. Never blocks.
  virtual result<bool> offer(std::span<std::byte const> message) = 0;
  /// Gives the socket what waits, as far as it takes it. True: nothing waits. Never blocks.
  virtual result<bool> flush() = 0;
  /// The next message if it is there, valid as `receive`'s. Never blocks.
  virtual result<std::optional<std::span<std::byte const>>> take() = 0;

  virtual std::size_t largest_message_bytes() const noexcept = 0;
  /// To poll: readable once more may be taken. A message may wait here while the socket is silent: `take`
  /// until there is none, then poll.
  virtual int descriptor() const noexcept = 0;
  /// Fails the channel at both ends at once. Any thread; again does nothing.
  virtual void abort() noexcept = 0;
  /// Wipes the last message received, and what is left of sealed ones that are under way no more.
  virtual void scrub() noexcept = 0;
};

} // namespace mayfly
