#pragma once
#include "actors/retention/receipt_store.hpp"

namespace mayfly::actors {

/// Forgets with the process: for tests. A batch costs a copy of everything.
class memory_receipt_store final : public receipt_store {
public:
  result<void> put_lease(lease_record const& lease) override;
  result<void> put_holder(messages::holder_registered const& holder) override;
  result<void> put_receipt(messages::signed_receipt const& receipt, chain_head const& head) override;
  result<void> commit() override;
  void roll_back() override;
  result<std::optional<messages::signed_receipt>> find(request_id request) override;
  result<chain_head> head() override;
  result<std::vector<lease_record>> open_leases() override;

private:
  struct state {
    std::unordered_map<request_id, lease_record> leases;
    std::unordered_map<request_id, messages::signed_receipt> receipts;
    chain_head head;
  };
  void begin();

  state now_;
  std::optional<state> before_; ///< the batch began here
};

} // namespace mayfly::actors
