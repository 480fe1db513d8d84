#pragma once
// Where leases and receipts last: metadata only. One suite of tests runs against every implementation.
#include "actors/retention/lease_table.hpp"

#include <memory>
#include <optional>

namespace mayfly::actors {

/// The end of a chain of receipts.
struct chain_head {
  std::uint64_t counter = 0; ///< 0: empty
  messages::bytes32 hash{};  ///< zeros: empty
  friend bool operator==(chain_head const&, chain_head const&) = default;
};

/// One thread. Writes belong to a batch that `commit` makes last as one, or `roll_back` undoes; reads see the
/// batch. Every member fails with io (`number`: the store's own code), and malformed where a record cannot be
/// read.
class receipt_store {
public:
  virtual ~receipt_store() = default;

  virtual result<void> put_lease(lease_record const& lease) = 0;
  virtual result<void> put_holder(messages::holder_registered const& holder) = 0;
  /// Appends to the chain; the counter is one more than the head's. The lease goes if the receipt is
  /// confirmed, else it is marked unconfirmed. `head` is the chain's new end.
  virtual result<void> put_receipt(messages::signed_receipt const& receipt, chain_head const& head) = 0;
  virtual result<void> commit() = 0;
  virtual void roll_back() = 0;

  /// The latest receipt of a request.
  virtual result<std::optional<messages::signed_receipt>> find(request_id request) = 0;
  virtual result<chain_head> head() = 0;
  /// Leases that were not confirmed, with their holders.
  virtual result<std::vector<lease_record>> open_leases() = 0;
};

} // namespace mayfly::actors
