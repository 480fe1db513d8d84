#pragma once
// Leases and receipts: metadata about content's life and death.
#include "protocol/messages/fields.hpp"

namespace mayfly::messages {

/// privacy.md, "Leases and receipts". Only `none` is served until consent exists; the others are refused.
enum class retention_policy : std::uint8_t { none = 0, session = 1, until_fetched = 2, debug = 3 };

/// Gateway -> retention, before content leaves the gateway. One record is appended to the store.
struct lease_opening {
  request_id request;
  account_id account; ///< appears in receipts as a keyed pseudonym only
  name model;
  retention_policy policy = retention_policy::none;
  std::chrono::milliseconds time_left{0};
  node_id gateway; ///< the first holder
  static constexpr auto fields = field_list(
      field{1, "request", &lease_opening::request}, field{2, "account", &lease_opening::account},
      field{3, "model", &lease_opening::model}, field{4, "policy", &lease_opening::policy},
      field{5, "time_left", &lease_opening::time_left}, field{6, "gateway", &lease_opening::gateway});
};

/// Retention -> gateway. `code` other than 0: no lease, so no content may go on.
struct lease_opened {
  request_id request;
  std::uint16_t code = 0;
  static constexpr auto fields =
      field_list(field{1, "request", &lease_opened::request}, field{2, "code", &lease_opened::code});
};

/// Gateway -> retention: this node may hold content of the request from now on. Sent before `infer` is.
struct holder_registered {
  request_id request;
  node_id holder;
  std::uint32_t choice = 0;
  static constexpr auto fields = field_list(field{1, "request", &holder_registered::request},
                                            field{2, "holder", &holder_registered::holder},
                                            field{3, "choice", &holder_registered::choice});
};

/// In a holder_wiped: whatever choices that holder was registered for, it holds none of them.
inline constexpr std::uint32_t every_choice = UINT32_MAX;

/// A holder's wipe. The gateway passes on what workers say in `finished` and `admission` (refused: 0 bytes);
/// a worker whose gateway is gone reports to any retention peer itself.
struct holder_wiped {
  request_id request;
  node_id holder;
  std::uint32_t choice = 0;
  std::uint64_t bytes = 0;
  std::int64_t at_unix_ms = 0;
  static constexpr auto fields =
      field_list(field{1, "request", &holder_wiped::request}, field{2, "holder", &holder_wiped::holder},
                 field{3, "choice", &holder_wiped::choice}, field{4, "bytes", &holder_wiped::bytes},
                 field{5, "at_unix_ms", &holder_wiped::at_unix_ms});
};

/// Gateway -> retention: the answer is over (the socket's queue is empty or the client left) and the
/// gateway's own buffers are wiped; no holder will be added.
struct lease_closing {
  request_id request;
  std::uint64_t gateway_bytes = 0;
  std::int64_t at_unix_ms = 0;
  static constexpr auto fields = field_list(field{1, "request", &lease_closing::request},
                                            field{2, "gateway_bytes", &lease_closing::gateway_bytes},
                                            field{3, "at_unix_ms", &lease_closing::at_unix_ms});
};

/// Retention -> holders of a lease past its deadline (counted as a violation), or of one whose answer has
/// been over for a while: end it, wipe it, report, be it that nothing is held.
struct lease_forced {
  request_id request;
  bool over = false; ///< the answer is, and not the lease: who holds something still wipes it in its time
  static constexpr auto fields =
      field_list(field{1, "request", &lease_forced::request}, field{2, "over", &lease_forced::over});
};

/// How a holder's share ended.
enum class wipe_state : std::uint8_t {
  pending = 0,
  wiped = 1,       ///< the holder reported the wipe
  exited = 2,      ///< its process is known to have ended: the memory is gone with it
  unconfirmed = 3, ///< frozen or unreachable past the deadline: it may still hold
};

struct holder_record {
  node_id holder;
  std::uint32_t choice = 0;
  wipe_state state = wipe_state::pending;
  std::uint64_t bytes = 0; ///< rounded up to 1 KiB
  std::int64_t at_unix_ms = 0;
  static constexpr auto fields =
      field_list(field{1, "holder", &holder_record::holder}, field{2, "choice", &holder_record::choice},
                 field{3, "state", &holder_record::state}, field{4, "bytes", &holder_record::bytes},
                 field{5, "at_unix_ms", &holder_record::at_unix_ms});
};

/// What is signed: the MessagePack encoding of this message, tags ascending, smallest forms.
struct receipt {
  std::uint16_t version = 1;
  request_id request;
  bytes32 account{}; ///< keyed pseudonym (BLAKE2b-256 under the node's key)
  name model;
  retention_policy policy = retention_policy::none;
  bool confirmed = false; ///< every holder wiped or exited
  bool violation = false; ///< the lease outlived its deadline
  std::vector<holder_record> holders;
  std::int64_t opened_at_unix_ms = 0;
  std::int64_t closed_at_unix_ms = 0;
  std::uint64_t counter = 0; ///< place in the signer's chain, from 1
  bytes32 previous{};        ///< BLAKE2b-256 of the chain's previous receipt as signed; zeros for the first
  bytes32 signer{};          ///< Ed25519 public key
  static constexpr auto fields = field_list(
      field{1, "version", &receipt::version}, field{2, "request", &receipt::request},
      field{3, "account", &receipt::account}, field{4, "model", &receipt::model},
      field{5, "policy", &receipt::policy}, field{6, "confirmed", &receipt::confirmed},
      field{7, "violation", &receipt::violation}, field{8, "holders", &receipt::holders},
      field{9, "opened_at_unix_ms", &receipt::opened_at_unix_ms},
      field{10, "closed_at_unix_ms", &receipt::closed_at_unix_ms}, field{11, "counter", &receipt::counter},
      field{12, "previous", &receipt::previous}, field{13, "signer", &receipt::signer});
};

struct signed_receipt {
  receipt body;
  bytes64 signature{}; ///< Ed25519 over the encoding of `body`
  static constexpr auto fields =
      field_list(field{1, "body", &signed_receipt::body}, field{2, "signature", &signed_receipt::signature});
};

/// Gateway -> retention. Waits up to `patience` for a lease that is about to close.
struct receipt_query {
  std::uint64_t correlation = 0;
  request_id request;
  account_id account; ///< another account's receipt is answered as unknown
  std::chrono::milliseconds patience{2000};
  static constexpr auto fields = field_list(
      field{1, "correlation", &receipt_query::correlation}, field{2, "request", &receipt_query::request},
      field{3, "account", &receipt_query::account}, field{4, "patience", &receipt_query::patience});
};

enum class receipt_state : std::uint8_t { unknown = 0, open = 1, final = 2 };

struct receipt_answer {
  std::uint64_t correlation = 0;
  request_id request;
  receipt_state state = receipt_state::unknown;
  std::optional<signed_receipt> receipt;
  std::uint64_t head_counter = 0; ///< the chain's length now, so that truncation shows
  bytes32 head{};                 ///< hash of its last receipt
  static constexpr auto fields = field_list(
      field{1, "correlation", &receipt_answer::correlation}, field{2, "request", &receipt_answer::request},
      field{3, "state", &receipt_answer::state}, field{4, "receipt", &receipt_answer::receipt},
      field{5, "head_counter", &receipt_answer::head_counter}, field{6, "head", &receipt_answer::head});
};

/// Retention -> operations, each second.
struct retention_report {
  std::uint64_t leases_open = 0;
  std::uint64_t leases_closed = 0;
  std::uint64_t violations = 0;
  std::uint64_t unconfirmed = 0;
  static constexpr auto fields = field_list(field{1, "leases_open", &retention_report::leases_open},
                                            field{2, "leases_closed", &retention_report::leases_closed},
                                            field{3, "violations", &retention_report::violations},
                                            field{4, "unconfirmed", &retention_report::unconfirmed});
};

/// Gateway -> operations, each second.
struct gateway_report {
  node_id gateway;
  bool draining = false;
  std::uint64_t requests = 0; ///< since the start, as all below
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t replayed = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint32_t running = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t unlocked_bytes = 0;   ///< of memory for content that the system refused to lock
  std::uint64_t log_records_lost = 0; ///< to a full queue or a failing disk
  static constexpr auto fields = field_list(
      field{1, "gateway", &gateway_report::gateway}, field{2, "draining", &gateway_report::draining},
      field{3, "requests", &gateway_report::requests}, field{4, "failed", &gateway_report::failed},
      field{5, "cancelled", &gateway_report::cancelled}, field{6, "replayed", &gateway_report::replayed},
      field{7, "prompt_tokens", &gateway_report::prompt_tokens},
      field{8, "completion_tokens", &gateway_report::completion_tokens},
      field{9, "running", &gateway_report::running},
      field{10, "resident_bytes", &gateway_report::resident_bytes},
      field{11, "unlocked_bytes", &gateway_report::unlocked_bytes},
      field{12, "log_records_lost", &gateway_report::log_records_lost});
};

} // namespace mayfly::messages
