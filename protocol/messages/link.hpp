#pragma once
// How two nodes greet each other, and what a supervisor tells the seeds about its host.
#include "protocol/messages/fields.hpp"

namespace mayfly::messages {

/// What a node does; a node's roles are an OR of these.
enum class role : std::uint32_t {
  none = 0,
  gateway = 1,
  scheduler = 2,
  worker = 4,
  retention = 8,
  operations = 16,
  supervisor = 32, ///< announces, never holds content
  shard = 64,      ///< a rank of a tensor-parallel group beside the first, which is its worker
};
using role_set = std::uint32_t;
constexpr bool has_role(role_set set, role wanted) noexcept {
  return (set & static_cast<role_set>(wanted)) != 0;
}

/// First message in both directions. The connection speaks the highest version within both ranges; without
/// one it is refused (version_mismatch) and closed. Nothing else is accepted before it.
struct hello {
  std::uint16_t oldest_version = 1;
  std::uint16_t newest_version = 1;
  node_id node;
  role_set roles = 0;
  static constexpr auto fields = field_list(field{1, "oldest_version", &hello::oldest_version},
                                            field{2, "newest_version", &hello::newest_version},
                                            field{3, "node", &hello::node}, field{4, "roles", &hello::roles});
};

/// Sent when nothing else was for 200 ms. A peer that is silent for a second is lost.
struct heartbeat {
  std::uint64_t sequence = 0;
  static constexpr auto fields = field_list(field{1, "sequence", &heartbeat::sequence});
};

/// The sender could not do what the message with this correlation asked, and says why.
struct refusal {
  std::uint16_t code = 0; ///< errc
  static constexpr auto fields = field_list(field{1, "code", &refusal::code});
};

/// One process of the cluster.
struct member {
  node_id node;
  role_set roles = 0;
  name endpoint;        ///< "tcp://host:port" where it accepts links
  bytes32 public_key{}; ///< CURVE
  node_id supervisor;   ///< who vouches for it, and knows when it exits
  name region;
  static constexpr auto fields =
      field_list(field{1, "node", &member::node}, field{2, "roles", &member::roles},
                 field{3, "endpoint", &member::endpoint}, field{4, "public_key", &member::public_key},
                 field{5, "supervisor", &member::supervisor}, field{6, "region", &member::region});
};

/// A process that is known to have exited (its supervisor reaped it): what it held is gone with it.
struct exited_member {
  node_id node;
  std::int64_t at_unix_ms = 0;
  static constexpr auto fields =
      field_list(field{1, "node", &exited_member::node}, field{2, "at_unix_ms", &exited_member::at_unix_ms});
};

/// A supervisor's word to a seed, once a second and on every change: its children, and those that exited
/// within the last ten minutes. Members of a supervisor that is silent for `time_to_live` leave the view,
/// unconfirmed.
struct announcement {
  node_id supervisor;
  std::vector<member> members;
  std::vector<exited_member> exited;
  std::chrono::milliseconds time_to_live{5000};
  static constexpr auto fields = field_list(
      field{1, "supervisor", &announcement::supervisor}, field{2, "members", &announcement::members},
      field{3, "exited", &announcement::exited}, field{4, "time_to_live", &announcement::time_to_live});
};

/// A seed's view of the whole cluster: its answer to an announcement, and its word to every subscriber on
/// change.
struct member_view {
  std::uint64_t epoch = 0; ///< grows with each change at this seed
  std::vector<member> members;
  std::vector<exited_member> exited;
  static constexpr auto fields =
      field_list(field{1, "epoch", &member_view::epoch}, field{2, "members", &member_view::members},
                 field{3, "exited", &member_view::exited});
};

} // namespace mayfly::messages
