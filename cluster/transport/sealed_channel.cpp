#include "cluster/transport/sealed_channel.hpp"

#include "cluster/transport/stream_socket.hpp"
#include "protocol/crypto/aead.hpp"
#include "protocol/crypto/initialise.hpp"
#include "protocol/crypto/random.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

namespace mayfly::cluster {
namespace {

static_assert(std::endian::native == std::endian::little, "lengths stand in memory as on the wire");

using frame_length = std::uint32_t; ///< of the sealed message
using salt = std::array<std::byte, 32>;

struct greeting_text {
  std::array<char, 8> magic{'M', 'A', 'Y', 'F', 'C', 'H', '0', '1'};
  salt said{};
};
static_assert(sizeof(greeting_text) == 40);

constexpr std::size_t send_window_bytes = std::size_t{256} << 10;
constexpr std::size_t arrival_bytes = std::size_t{256} << 10;

constexpr std::size_t frame_bytes(std::size_t message_bytes) {
  return sizeof(frame_length) + message_bytes + crypto::seal_bytes;
}

class sealed_channel final : public secure_channel {
public:
  sealed_channel(stream_socket socket, std::size_t largest, ephemeral_bytes sending,
                 ephemeral_bytes receiving)
      : socket_(std::move(socket)), largest_(largest), sealer_(std::move(sending)),
        opener_(std::move(receiving)), unsent_bytes_(send_window_bytes + frame_bytes(largest)),
        unsent_(std::make_unique_for_overwrite<std::byte[]>(unsent_bytes_)),
        arrived_(ephemeral_bytes::zeros(std::min(arrival_bytes, 2 * frame_bytes(largest)))) {}

  result<bool> offer(std::span<std::byte const> message) override {
    if (auto const whole = still_whole(); !whole) return whole.failure();
    if (message.size() > largest_)
      return error{errc::too_large, "a message beyond the channel's bound (bytes)",
                   static_cast<std::int64_t>(message.size())};
    auto const flushed = flush();
    if (!flushed || unsent_end_ - unsent_begin_ > send_window_bytes) return flushed ? false : flushed;
    enclose(message);
    auto const sent = flush();
    return sent ? true : sent;
  }

  result<bool> flush() override {
    if (auto const whole = still_whole(); !whole) return whole.failure();
    if (!sending_) return sending_.failure();
    while (unsent_begin_ < unsent_end_) {
      auto const sent = socket_.send({unsent_.get() + unsent_begin_, unsent_end_ - unsent_begin_});
      if (!sent) sending_ = sent.failure();
      if (!sending_) return sending_.failure();
      if (*sent == 0) return false;
      unsent_begin_ += *sent;
    }
    unsent_begin_ = unsent_end_ = 0;
    return true;
  }

  result<std::optional<std::span<std::byte const>>> take() override {
    if (auto const whole = still_whole(); !whole) return whole.failure();
    drop_last();
    for (;;) {
      auto const needed = next_frame_bytes();
      if (!needed) return fail(needed.failure());
      if (end_ - begin_ >= *needed && *needed > sizeof(frame_length)) return disclose(*needed);
      make_room(*needed);
      auto const got = socket_.receive(arrived_.reveal().subspan(end_));
      if (!got) return fail(begin_ == end_ ? got.failure() : within_a_message(got.failure()));
      if (*got == 0) return std::optional<std::span<std::byte const>>{};
      end_ += *got;
      arrived_end_ = std::max(arrived_end_, end_);
    }
  }

  std::size_t largest_message_bytes() const noexcept override { return largest_; }
  int descriptor() const noexcept override { return socket_.descriptor(); }

  void abort() noexcept override {
    aborted_.store(true, std::memory_order_release);
    socket_.shut_down();
  }

  /// Sealed copies go, too: their key is still here.
  void scrub() noexcept override {
    drop_last();
    wipe(arrived_.reveal().data() + end_, arrived_end_ - end_);
    arrived_end_ = end_;
    if (unsent_end_ != 0) return;
    wipe(unsent_.get(), sealed_end_);
    sealed_end_ = 0;
  }

private:
  result<void> still_whole() const noexcept {
    if (aborted_.load(std::memory_order_acquire)) return error{errc::cancelled, "the channel was aborted", 0};
    return failure_;
  }

  /// The first failure is the one that stays; the peer learns of it by the connection's end.
  error fail(error const& because) noexcept {
    if (failure_) failure_ = because;
    socket_.shut_down();
    return aborted_.load(std::memory_order_acquire) ? still_whole().failure() : failure_.failure();
  }

  static error within_a_message(error const& closed) {
    return closed.code == errc::worker_lost
               ? error{errc::truncated, "a channel that ends within a message", 0}
               : closed;
  }

  void enclose(std::span<std::byte const> message) {
    if (unsent_end_ + frame_bytes(message.size()) > unsent_bytes_) { // the window leaves room at the front
      std::memmove(unsent_.get(), unsent_.get() + unsent_begin_, unsent_end_ - unsent_begin_);
      unsent_end_ -= std::exchange(unsent_begin_, 0);
    }
    std::span const frame(unsent_.get() + unsent_end_, frame_bytes(message.size()));
    auto const length = static_cast<frame_length>(frame.size() - sizeof(frame_length));
    std::memcpy(frame.data(), &length, sizeof length);
    sealer_.seal(frame.first(sizeof length), message, frame.subspan(sizeof length));
    unsent_end_ += frame.size();
    sealed_end_ = std::max(sealed_end_, unsent_end_);
  }

  /// Of the frame at the front, as far as it is known: its length alone, or all of it.
  result<std::size_t> next_frame_bytes() const {
    if (end_ - begin_ < sizeof(frame_length)) return sizeof(frame_length);
    frame_length length = 0;
    std::memcpy(&length, arrived_.reveal().data() + begin_, sizeof length);
    if (length < crypto::seal_bytes || length > largest_ + crypto::seal_bytes)
      return error{errc::too_large, "a frame beyond the channel's bound (bytes)", length};
    return sizeof length + length;
  }

  void make_room(std::size_t needed) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ + needed > arrived_.size()) {
      auto* const bytes = arrived_.reveal().data();
      std::memmove(bytes, bytes + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    if (needed > arrived_.size()) arrived_.resize(needed);
  }

  result<std::optional<std::span<std::byte const>>> disclose(std::size_t frame) {
    auto const bytes = arrived_.reveal().subspan(begin_, frame);
    auto const opened = opener_.open(bytes.first(sizeof(frame_length)), bytes.subspan(sizeof(frame_length)));
    if (!opened) return fail(opened.failure());
    begin_ += frame;
    last_ = *opened;
    return std::optional<std::span<std::byte const>>(*opened);
  }

  void drop_last() noexcept {
    wipe(last_.data(), last_.size());
    last_ = {};
  }

  stream_socket socket_;
  std::size_t const largest_;
  crypto::frame_sealer sealer_;
  crypto::frame_opener opener_;
  std::atomic<bool> aborted_{false};
  result<void> failure_;
  result<void> sending_; ///< alone: what the peer said before it closed can still be taken
  std::size_t const unsent_bytes_;
  std::unique_ptr<std::byte[]> unsent_; ///< sealed frames
  std::size_t unsent_begin_ = 0, unsent_end_ = 0;
  std::size_t sealed_end_ = 0; ///< of what was sealed since the last scrub
  ephemeral_bytes arrived_;    ///< sealed frames, the last one taken opened in its place
  std::size_t begin_ = 0, end_ = 0;
  std::size_t arrived_end_ = 0; ///< of what arrived since the last scrub
  std::span<std::byte> last_;   ///< the message that was taken last
};

/// Sends 40 bytes and waits for the peer's: a socket that is new takes them at once.
result<greeting_text> greet(stream_socket const& socket, greeting_text const& own, deadline until) {
  auto const sent = socket.send(std::as_bytes(std::span(&own, 1)));
  if (!sent) return sent.failure();
  if (*sent != sizeof own) return error{errc::io, "a new socket that takes no greeting", 0};
  greeting_text theirs;
  auto const into = std::as_writable_bytes(std::span(&theirs, 1));
  for (std::size_t filled = 0; filled < into.size();) {
    auto const got = socket.receive(into.subspan(filled));
    if (!got) return got.failure();
    filled += *got;
    if (*got == 0 && !socket.await_readable(until))
      return error{errc::deadline_exceeded, "the peer of a channel says no greeting", 0};
  }
  if (theirs.magic != greeting_text{}.magic)
    return error{errc::version_mismatch, "a greeting of another kind", 0};
  return theirs;
}

struct speaker {
  std::uint32_t rank;
  salt const& said;
};

result<ephemeral_bytes> direction_key(std::span<std::byte const> group_key, channel_terms const& terms,
                                      speaker const& from, speaker const& to) {
  auto const bytes = [](auto const& value) { return std::as_bytes(std::span(&value, 1)); };
  return crypto::derive_key(group_key,
                            {std::as_bytes(std::span("mayfly sealed channel")),
                             std::as_bytes(std::span(terms.purpose)), std::as_bytes(std::span(terms.group)),
                             bytes(terms.epoch), bytes(from.rank), bytes(to.rank), from.said, to.said});
}

/// The first frame each way is empty.
result<void> prove(secure_channel& channel, deadline until) {
  if (auto const sent = channel.send({}, until); !sent) return sent;
  auto const proof = channel.receive(until);
  if (!proof) return proof.failure();
  if (!proof->empty()) return error{errc::untrusted, "a first frame that is not empty", 0};
  return {};
}

} // namespace

result<std::unique_ptr<secure_channel>> open_sealed_channel(int socket, channel_terms const& terms,
                                                            std::span<std::byte const> group_key,
                                                            deadline until) {
  auto prepared = stream_socket::prepare(socket);
  if (!prepared) return prepared.failure();
  if (auto const ready = crypto::initialise(); !ready) return ready.failure();
  if (group_key.size() != crypto::cipher_key_bytes || terms.own_rank == terms.peer_rank)
    return error{errc::invalid_request, "a channel needs a key of 32 bytes and two ranks", 0};
  greeting_text own;
  crypto::fill_random(own.said);
  auto const theirs = greet(*prepared, own, until);
  if (!theirs) return theirs.failure();
  speaker const here{terms.own_rank, own.said};
  speaker const there{terms.peer_rank, theirs->said};
  auto sending = direction_key(group_key, terms, here, there);
  auto receiving = direction_key(group_key, terms, there, here);
  if (!sending || !receiving) return sending ? receiving.failure() : sending.failure();
  auto made = std::make_unique<sealed_channel>(std::move(*prepared), terms.largest_message_bytes,
                                               std::move(*sending), std::move(*receiving));
  wipe_stack(); // of what deriving the keys left there
  if (auto const proven = prove(*made, until); !proven) return proven.failure();
  return std::unique_ptr<secure_channel>(std::move(made));
}

} // namespace mayfly::cluster
