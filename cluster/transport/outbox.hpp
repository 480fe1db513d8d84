#pragma once
// What waits for the link thread: frames of any thread's making, and orders.
#include "cluster/peer.hpp"
#include "protocol/base/result.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace mayfly::cluster {

/// What one link has taken and not yet encrypted: shared by the link's peer, its session and every frame.
struct link_account {
  explicit link_account(std::size_t bound) noexcept : bound_bytes(bound) {}
  std::size_t const bound_bytes;
  std::atomic<std::size_t> queued_bytes{0};
  std::atomic<bool> closed{false};
};

/// A frame on its way out. It counts in its link's account until it is freed, which wipes it.
class outgoing_frame {
public:
  outgoing_frame(ephemeral_bytes bytes, std::shared_ptr<link_account> account) noexcept
      : bytes_(std::move(bytes)), account_(std::move(account)) {
    account_->queued_bytes += bytes_.size();
  }
  outgoing_frame(outgoing_frame const&) = delete;
  outgoing_frame& operator=(outgoing_frame const&) = delete;
  ~outgoing_frame() { account_->queued_bytes -= bytes_.size(); }

  std::span<std::byte> bytes() noexcept { return bytes_.reveal(); }
  link_account const& account() const noexcept { return *account_; }

private:
  ephemeral_bytes bytes_;
  std::shared_ptr<link_account> account_;
};
using frame_owner = std::unique_ptr<outgoing_frame>;

/// Names a session within one transport; never reused.
using session_number = std::uint64_t;

/// The mailbox of the link thread. Thread-safe.
class outbox {
public:
  struct addressed_frame {
    session_number session;
    frame_owner frame;
  };
  using order = std::function<void()>;

  outbox();
  outbox(outbox const&) = delete;
  outbox& operator=(outbox const&) = delete;
  ~outbox();

  /// After `close` both drop (and wipe) what they are given.
  void push(session_number session, frame_owner frame);
  void push(order what);
  void close();

  /// Readable while something waits.
  int descriptor() const noexcept { return descriptor_; }
  /// Swaps what waits into the two empty vectors.
  void take(std::vector<addressed_frame>& frames, std::vector<order>& orders);

private:
  void wake() const noexcept;
  std::mutex mutex_;
  std::vector<addressed_frame> frames_;
  std::vector<order> orders_;
  bool closed_ = false;
  int descriptor_;
};

/// A node behind a link.
class link_peer final : public peer {
public:
  /// How messages leave: encoded by the sender's thread, carried by the link's.
  struct way {
    node_id self;
    session_number session = 0;
    std::size_t max_message_bytes = 0;
    std::shared_ptr<outbox> out;
    std::shared_ptr<link_account> account;
    std::function<void(session_number, error)> give_up; ///< asks the link thread to drop the link
  };
  link_peer(messages::hello const& greeting, messages::bytes32 const& key, way how)
      : peer(greeting.node, greeting.roles, key), way_(std::move(how)) {}
  void deliver(parcel message) const override;

private:
  void give_up(error why) const;
  way way_;
};

} // namespace mayfly::cluster
