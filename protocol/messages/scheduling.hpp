#pragma once
// All that a scheduler ever sees: metadata. catalogue.hpp asserts that these cannot hold content.
#include "protocol/messages/fields.hpp"

namespace mayfly::messages {

/// Gateway -> scheduler: where should this request run?
struct placement_request {
  request_id request;
  name model;
  account_id account;
  std::uint32_t estimated_prompt_tokens = 0;
  std::uint32_t max_tokens = 0;
  std::vector<node_id> excluded; ///< refused or lost it already
  name region;                   ///< empty: any
  static constexpr auto fields = field_list(
      field{1, "request", &placement_request::request}, field{2, "model", &placement_request::model},
      field{3, "account", &placement_request::account},
      field{4, "estimated_prompt_tokens", &placement_request::estimated_prompt_tokens},
      field{5, "max_tokens", &placement_request::max_tokens},
      field{6, "excluded", &placement_request::excluded}, field{7, "region", &placement_request::region});
};

/// Scheduler -> gateway. Without a worker, `code` says why (no_worker, overloaded).
struct placement {
  request_id request;
  node_id worker;
  std::uint16_t code = 0; ///< errc
  static constexpr auto fields =
      field_list(field{1, "request", &placement::request}, field{2, "worker", &placement::worker},
                 field{3, "code", &placement::code});
};

/// Gateway -> scheduler: a placed request ended or was refused there.
struct placement_release {
  request_id request;
  node_id worker;
  static constexpr auto fields = field_list(field{1, "request", &placement_release::request},
                                            field{2, "worker", &placement_release::worker});
};

struct model_load {
  name model;
  std::uint32_t running = 0;
  std::uint32_t waiting = 0;
  std::uint32_t max_running = 0;
  std::uint32_t max_waiting = 0;
  std::uint32_t kv_blocks = 0;
  std::uint32_t kv_blocks_free = 0;
  std::uint32_t kv_block_tokens = 0;
  std::uint32_t context_tokens = 0;
  std::uint64_t prefill_tokens = 0; ///< since the worker started
  std::uint64_t decode_tokens = 0;
  std::uint64_t preemptions = 0;
  bool ready = true;              ///< false: a rank of its group is missing, and it is formed anew
  std::uint64_t weight_bytes = 0; ///< of this process: of a group, rank 0's
  std::uint64_t kv_bytes = 0;     ///< reserved
  std::uint64_t device_bytes = 0; ///< of the device that holds both; 0: the host's memory does
  static constexpr auto fields = field_list(
      field{1, "model", &model_load::model}, field{2, "running", &model_load::running},
      field{3, "waiting", &model_load::waiting}, field{4, "max_running", &model_load::max_running},
      field{5, "max_waiting", &model_load::max_waiting}, field{6, "kv_blocks", &model_load::kv_blocks},
      field{7, "kv_blocks_free", &model_load::kv_blocks_free},
      field{8, "kv_block_tokens", &model_load::kv_block_tokens},
      field{9, "context_tokens", &model_load::context_tokens},
      field{10, "prefill_tokens", &model_load::prefill_tokens},
      field{11, "decode_tokens", &model_load::decode_tokens},
      field{12, "preemptions", &model_load::preemptions}, field{13, "ready", &model_load::ready},
      field{14, "weight_bytes", &model_load::weight_bytes}, field{15, "kv_bytes", &model_load::kv_bytes},
      field{16, "device_bytes", &model_load::device_bytes});
};

/// Worker -> every scheduler, gateway and operations peer, each 200 ms: soft state is rebuilt from it.
struct worker_report {
  node_id worker;
  bool draining = false;
  name backend; ///< "cpu-avx512"
  name region;
  std::vector<model_load> models;
  std::uint64_t resident_bytes = 0;
  std::uint64_t content_bytes = 0;  ///< of locked memory in use now
  std::uint64_t unlocked_bytes = 0; ///< of memory for content that the system refused to lock
  static constexpr auto fields = field_list(
      field{1, "worker", &worker_report::worker}, field{2, "draining", &worker_report::draining},
      field{3, "backend", &worker_report::backend}, field{4, "region", &worker_report::region},
      field{5, "models", &worker_report::models}, field{6, "resident_bytes", &worker_report::resident_bytes},
      field{7, "content_bytes", &worker_report::content_bytes},
      field{8, "unlocked_bytes", &worker_report::unlocked_bytes});
};

/// Operations -> worker or gateway: finish what runs, take nothing new.
struct drain_order {
  bool draining = true;
  static constexpr auto fields = field_list(field{1, "draining", &drain_order::draining});
};

} // namespace mayfly::messages
