#pragma once
// What the ranks of a tensor-parallel group say to each other, over a channel of their own, and what they say
// of themselves. Rank 0 leads; the others follow in the order of its messages. `step_plan` is content.
#include "protocol/messages/fields.hpp"

namespace mayfly::messages {

/// Every other rank -> rank 0, first of all: whether they are parts of the same whole. A group of ranks that
/// disagree is not formed.
struct rank_shape {
  std::uint64_t fingerprint = 0; ///< of the model file: its tensors' names, types and shapes
  std::uint32_t kv_blocks = 0;
  std::uint32_t kv_block_tokens = 0;
  std::uint32_t step_tokens = 0;
  std::uint64_t kv_block_bytes = 0; ///< of this rank's share; what the receipts count in
  bool on_device = false;           ///< its device sums over ranks itself: `rank_meeting` follows
  static constexpr auto fields = field_list(
      field{1, "fingerprint", &rank_shape::fingerprint}, field{2, "kv_blocks", &rank_shape::kv_blocks},
      field{3, "kv_block_tokens", &rank_shape::kv_block_tokens},
      field{4, "step_tokens", &rank_shape::step_tokens},
      field{5, "kv_block_bytes", &rank_shape::kv_block_bytes}, field{6, "on_device", &rank_shape::on_device});
};

/// Rank 0 -> the others, where all ranks' devices sum themselves: how these meet, for this epoch. Whoever has
/// it may join: so it is marked as content is.
struct rank_meeting {
  ephemeral_bytes meeting; ///< NCCL's unique id, 128 bytes
  static constexpr auto fields = field_list(field{1, "meeting", &rank_meeting::meeting});
};

/// One sequence's share of a step: as gpu's sequence_span, the first token following from those before.
struct planned_sequence {
  std::uint32_t tokens = 0;
  std::uint32_t first_position = 0;
  std::vector<std::uint32_t> blocks;
  static constexpr auto fields = field_list(field{1, "tokens", &planned_sequence::tokens},
                                            field{2, "first_position", &planned_sequence::first_position},
                                            field{3, "blocks", &planned_sequence::blocks});
};

/// Rank 0 -> the others: compute this step with me.
struct step_plan {
  ephemeral_tokens tokens;
  std::vector<planned_sequence> sequences; ///< cover the tokens in order
  std::vector<std::uint32_t> sampled;      ///< indices of tokens, ascending
  static constexpr auto fields =
      field_list(field{1, "tokens", &step_plan::tokens}, field{2, "sequences", &step_plan::sequences},
                 field{3, "sampled", &step_plan::sampled});
};

/// As gpu's: each includes those before it.
enum class wipe_extent : std::uint8_t { blocks = 0, logits = 1, activations = 2, everything = 3 };

/// Rank 0 -> the others: zero these KV blocks, and what `extent` says.
struct wipe_order {
  wipe_extent extent = wipe_extent::blocks;
  std::vector<std::uint32_t> blocks;
  static constexpr auto fields =
      field_list(field{1, "extent", &wipe_order::extent}, field{2, "blocks", &wipe_order::blocks});
};

/// Rank 0 -> the others: say so once all before this is done. Answered with `rank_settled`.
struct settle_order {
  std::uint64_t number = 0;
  static constexpr auto fields = field_list(field{1, "number", &settle_order::number});
};

/// A rank -> rank 0: every order up to this settle_order is done, and what it wiped is zero.
struct rank_settled {
  std::uint64_t number = 0;
  static constexpr auto fields = field_list(field{1, "number", &rank_settled::number});
};

/// Rank 0 -> the others: steps from here on may hold content of this request; until when.
struct rank_holds {
  request_id request;
  std::uint32_t prompt_tokens = 0; ///< it takes at least these
  std::chrono::milliseconds time_left{0};
  static constexpr auto fields = field_list(field{1, "request", &rank_holds::request},
                                            field{2, "prompt_tokens", &rank_holds::prompt_tokens},
                                            field{3, "time_left", &rank_holds::time_left});
};

/// Rank 0 -> the others: what was held of it is wiped (its wipe_orders came before), and reported by rank 0.
struct rank_released {
  request_id request;
  static constexpr auto fields = field_list(field{1, "request", &rank_released::request});
};

/// A rank's wipe within `finished`.
struct rank_wipe {
  node_id rank;
  std::uint64_t bytes = 0;
  static constexpr auto fields =
      field_list(field{1, "rank", &rank_wipe::rank}, field{2, "bytes", &rank_wipe::bytes});
};

/// Each rank of a group -> operations, each 200 ms.
struct rank_report {
  node_id node;
  name model;
  node_id leader; ///< rank 0's; none while no group is formed
  std::uint32_t rank = 0;
  std::uint32_t ranks = 0;
  std::uint64_t epoch = 0; ///< of the present group, or of the last one
  bool formed = false;
  name backend;
  name carrier; ///< how the ranks meet: "shared memory", "tcp", "nccl"
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_bytes = 0; ///< reserved
  std::uint64_t resident_bytes = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t unlocked_bytes = 0;
  std::uint64_t device_bytes = 0;      ///< of the device that holds weights and KV; 0: the host's memory does
  bool allow_unencrypted_nccl = false; ///< the operator's setting, where this rank may use it
  static constexpr auto fields = field_list(
      field{1, "node", &rank_report::node}, field{2, "model", &rank_report::model},
      field{3, "leader", &rank_report::leader}, field{4, "rank", &rank_report::rank},
      field{5, "ranks", &rank_report::ranks}, field{6, "epoch", &rank_report::epoch},
      field{7, "formed", &rank_report::formed}, field{8, "backend", &rank_report::backend},
      field{9, "carrier", &rank_report::carrier}, field{10, "weight_bytes", &rank_report::weight_bytes},
      field{11, "kv_bytes", &rank_report::kv_bytes},
      field{12, "resident_bytes", &rank_report::resident_bytes},
      field{13, "content_bytes", &rank_report::content_bytes},
      field{14, "unlocked_bytes", &rank_report::unlocked_bytes},
      field{15, "device_bytes", &rank_report::device_bytes},
      field{16, "allow_unencrypted_nccl", &rank_report::allow_unencrypted_nccl});
};

} // namespace mayfly::messages
