#pragma once
// The socket pair between the supervisor and each of its children. Frames: length (u32, little-endian, of
// what follows), type (u8), how many descriptors came with it (u8), body: MessagePack of the message's field
// list, or bare UTF-8 for status. Open descriptors may travel with a frame. No content ever.
#include "cluster/node/owned_descriptor.hpp"
#include "protocol/base/clock.hpp"
#include "protocol/messages/link.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::node {

enum class control_type : std::uint8_t {
  ready = 1,         ///< child: roles run, links accept; body child_ready
  beat = 2,          ///< child: alive, each 200 ms; one byte, 1 if requests can be served
  view = 3,          ///< supervisor: members, and whom to trust; body cluster_view
  status_query = 5,  ///< supervisor: body is a number that the answer repeats
  status_answer = 6, ///< child: number, then JSON
  failed = 7,        ///< child: could not start; body: why, in words
  loading = 8,       ///< child: beats while models load; empty
  group_wish = 9,    ///< a rank: it is part of no group; body group_wish
  group_seat = 10,   ///< supervisor: a rank's place in a group; body group_seat, with its descriptors
  group_over = 11,   ///< supervisor: a group has ended; body group_wish, `after` its epoch
};

struct child_ready {
  name endpoint; ///< where its link accepts, the port known now
  std::uint16_t http_port = 0;
  std::uint16_t admin_port = 0;
  static constexpr auto fields =
      messages::field_list(messages::field{1, "endpoint", &child_ready::endpoint},
                           messages::field{2, "http_port", &child_ready::http_port},
                           messages::field{3, "admin_port", &child_ready::admin_port});
};

/// What the supervisor knows of the cluster, and the keys its child may accept links from.
struct cluster_view {
  messages::member_view view;
  std::vector<messages::bytes32> trusted;
  static constexpr auto fields = messages::field_list(messages::field{1, "view", &cluster_view::view},
                                                      messages::field{2, "trusted", &cluster_view::trusted});
};

/// A rank of a tensor-parallel group left, or never had, its place in the groups up to an epoch.
struct group_wish {
  name model;
  std::uint64_t after = 0;
  static constexpr auto fields = messages::field_list(messages::field{1, "model", &group_wish::model},
                                                      messages::field{2, "after", &group_wish::after});
};

/// A rank's place in a new group. Its descriptors, in this order: the shared memory of the ranks and, by
/// rank, a pidfd of every other's process, where all ranks are of one host; the channels of plans (rank 0: to
/// 1, 2,
/// ...; the others: to 0); where ranks are on several hosts, a channel of sums to every other rank.
struct group_seat {
  name model;
  name group; ///< keys are derived from it
  std::uint64_t epoch = 0;
  std::uint32_t rank = 0;
  std::vector<node_id> nodes; ///< by rank
  bool one_host = true;
  ephemeral_bytes key; ///< 32 bytes, of this epoch alone
  static constexpr auto fields = messages::field_list(
      messages::field{1, "model", &group_seat::model}, messages::field{2, "group", &group_seat::group},
      messages::field{3, "epoch", &group_seat::epoch}, messages::field{4, "rank", &group_seat::rank},
      messages::field{5, "nodes", &group_seat::nodes}, messages::field{6, "one_host", &group_seat::one_host},
      messages::field{7, "key", &group_seat::key});
};

/// Bytes of frames: a group's key may be among them.
using control_bytes = std::vector<std::byte, ephemeral_allocator<std::byte>>;

struct control_frame {
  control_type type{};
  control_bytes body;
  std::vector<owned_descriptor> descriptors{};
};

/// One end. Sending is thread-safe and never blocks for long (the peer reads or is dead); reading is for one
/// thread.
class control_channel {
public:
  explicit control_channel(int descriptor) noexcept : descriptor_(descriptor) {}
  control_channel(control_channel&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  control_channel& operator=(control_channel&&) = delete;
  ~control_channel();

  /// Both ends of a new pair, close-on-exec. Errors: io.
  static result<std::pair<int, int>> make_pair();

  int descriptor() const noexcept { return descriptor_; }

  /// Errors: io (the other end is gone or stopped reading for a second), invalid_request (too many
  /// descriptors, which stay the caller's).
  result<void> send(control_type type, std::span<std::byte const> body = {},
                    std::span<int const> descriptors = {});

  /// Reads what is there without waiting; whole frames only. Errors: io (closed), too_large (over 16 MiB).
  result<std::vector<control_frame>> receive();

private:
  result<control_frame> take_frame(std::size_t at, std::size_t length);

  int descriptor_;
  std::mutex sending_;
  control_bytes partial_;
  std::deque<owned_descriptor> received_; ///< that came with frames which are not whole yet
};

} // namespace mayfly::node
