#pragma once
// The socket pair between the supervisor and each of its children. Frames: length (u32, little-endian, of
// what follows), type (u8), body: MessagePack of the message's field list, or bare UTF-8 for status. No
// content ever.
#include "protocol/base/clock.hpp"
#include "protocol/messages/link.hpp"

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

struct control_frame {
  control_type type{};
  std::vector<std::byte> body;
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

  /// Errors: io (the other end is gone or stopped reading for a second).
  result<void> send(control_type type, std::span<std::byte const> body = {});

  /// Reads what is there without waiting; whole frames only. Errors: io (closed), too_large (over 16 MiB).
  result<std::vector<control_frame>> receive();

private:
  int descriptor_;
  std::mutex sending_;
  std::vector<std::byte> partial_;
};

} // namespace mayfly::node
