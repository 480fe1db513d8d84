#pragma once
// What the supervisors of several hosts say to each other about a group of ranks that spans them. The first
// host's supervisor decides; no supervisor ever holds content.
#include "protocol/messages/fields.hpp"

namespace mayfly::messages {

/// A host -> the first: all its ranks want a group, and are these processes. Said again until there is one.
struct ranks_wait {
  name model;
  std::vector<node_id> nodes; ///< by rank, of this host's
  std::uint64_t after = 0;    ///< the last epoch that this host was part of
  static constexpr auto fields =
      field_list(field{1, "model", &ranks_wait::model}, field{2, "nodes", &ranks_wait::nodes},
                 field{3, "after", &ranks_wait::after});
};

/// The first host -> the others: connect your ranks' sockets and seat them. The key is secret: so the message
/// is marked as content is.
struct ranks_meet {
  name model;
  std::uint64_t epoch = 0;
  std::vector<node_id> nodes; ///< by rank, of all hosts
  ephemeral_bytes key;        ///< 32 bytes, of this epoch alone
  static constexpr auto fields =
      field_list(field{1, "model", &ranks_meet::model}, field{2, "epoch", &ranks_meet::epoch},
                 field{3, "nodes", &ranks_meet::nodes}, field{4, "key", &ranks_meet::key});
};

/// Either way: a rank of the group of this epoch is lost here, or could not be seated.
struct ranks_part {
  name model;
  std::uint64_t epoch = 0;
  static constexpr auto fields =
      field_list(field{1, "model", &ranks_part::model}, field{2, "epoch", &ranks_part::epoch});
};

} // namespace mayfly::messages
