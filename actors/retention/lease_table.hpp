#pragma once
// Leases: who may hold content of which request, until when. Pure; clocks are the caller's.
//
//   open --lease_closing and every holder wiped or exited--> receipt, gone
//   open --deadline--> forced (a violation) --grace, a holder still silent--> unconfirmed receipt, kept
//   closing --patience, a holder still silent--> it is asked, again and again: what would have made it report
//     may never have reached it (a rank whose group was lost before it heard of the request)
//   kept --the silent holders report (they are asked again when they return), or their processes exit-->
//     amending receipt, gone
//
// A peer that merely left is no event here: lost is not wiped.
#include "protocol/base/clock.hpp"
#include "protocol/base/result.hpp"
#include "protocol/messages/retention.hpp"

#include <optional>
#include <unordered_map>

namespace mayfly::actors {

/// A lease as it lasts: what the store keeps of it. Metadata.
struct lease_record {
  request_id request;
  messages::bytes32 account{}; ///< keyed pseudonym
  name model;
  messages::retention_policy policy = messages::retention_policy::none;
  node_id gateway;
  node_id keeper; ///< the retention actor that opened it
  std::int64_t opened_at_unix_ms = 0;
  std::int64_t ends_at_unix_ms = 0;
  bool unconfirmed = false; ///< a receipt that says so was issued
  std::vector<messages::holder_registered> holders;
};

/// A holder's share, rounded up to 1 KiB as receipts show it.
std::uint64_t rounded_bytes(std::uint64_t bytes) noexcept;

class lease_table {
public:
  explicit lease_table(std::chrono::milliseconds grace = std::chrono::milliseconds(2000)) : grace_(grace) {}

  using receipts = std::vector<messages::receipt>; ///< bodies without place in a chain
  struct silence {
    request_id request;
    std::vector<node_id> holders; ///< silent so far
  };
  struct overdue {
    std::vector<silence> forced;
    std::vector<silence> asked; ///< of answers that are over; no violation
    receipts unconfirmed;
  };

  /// Errors: retention_refused (a policy other than none), invalid_request (the id is in use).
  result<void> open(lease_record record, deadline ends_at);
  /// A lease that an earlier run left open. Without any known holder it is never confirmed but by reports: a
  /// registration may have been lost with that run.
  void recover(lease_record record, deadline ends_at);

  /// False if there is no such lease.
  bool register_holder(messages::holder_registered const& holder, std::int64_t now_unix_ms);
  receipts wiped(messages::holder_wiped const& report, std::int64_t now_unix_ms);
  receipts closing(messages::lease_closing const& closing, std::int64_t now_unix_ms);
  /// Every share of that process is gone with it.
  receipts exited(node_id node, std::int64_t at_unix_ms, std::int64_t now_unix_ms);
  overdue tick(deadline now, std::int64_t now_unix_ms);

  /// Requests of forced leases of which the node has not accounted for its share.
  std::vector<request_id> forced_at(node_id node) const;

  /// The account's pseudonym of an open lease; null if none is open.
  messages::bytes32 const* account_of(request_id request) const;
  std::size_t size() const noexcept { return leases_.size(); }
  std::uint64_t violations() const noexcept { return violations_; }
  std::uint64_t unconfirmed() const noexcept { return unconfirmed_; }

private:
  struct lease_entry {
    lease_record record;
    deadline ends_at{};
    messages::holder_record gateway; ///< apart: one node may be gateway and worker of a request
    std::vector<messages::holder_record> holders;
    bool closing = false;
    bool recovered = false;
    bool forced = false;
    std::optional<deadline> ask_at; ///< silent holders, of one that is closing
  };
  using leases = std::unordered_map<request_id, lease_entry>;

  void add(lease_record record, deadline ends_at, bool recovered);
  bool is_settled(lease_entry const& lease) const;
  void close_if_settled(leases::iterator at, std::int64_t now_unix_ms, receipts& out);
  messages::receipt body_of(lease_entry const& lease, std::int64_t now_unix_ms) const;
  static silence silence_of(lease_entry const& lease);
  static void ask_when_due(lease_entry& lease, deadline now, overdue& out);
  void force(lease_entry& lease, overdue& out);
  void give_up(lease_entry& lease, std::int64_t now_unix_ms, overdue& out);
  std::int64_t const* exit_of(node_id node) const;

  std::chrono::milliseconds grace_;
  leases leases_;
  std::unordered_map<node_id, std::int64_t> exited_; ///< node -> when; late registrations find it here
  std::uint64_t violations_ = 0;
  std::uint64_t unconfirmed_ = 0;
};

} // namespace mayfly::actors
