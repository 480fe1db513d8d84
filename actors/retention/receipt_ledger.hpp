#pragma once
// Signs receipts into this node's chain and keeps them in a store, a batch at a time.
#include "actors/retention/receipt_store.hpp"
#include "protocol/crypto/keys.hpp"

namespace mayfly::actors {

/// One thread. What a failing store would not take is signed and tried again with the next batch: no receipt
/// is lost while the process lives.
class receipt_ledger {
public:
  /// Reads the chain's head. Errors: those of the store.
  static result<receipt_ledger> open(std::shared_ptr<receipt_store> store, crypto::signing_key key);

  result<void> opened(lease_record const& lease) { return store_->put_lease(lease); }
  /// Lasts with the next commit; not written at all if a confirmed receipt comes before it.
  void registered(messages::holder_registered const& holder) { holders_.push_back(holder); }
  /// `body` without counter, previous, signer.
  void issue(messages::receipt body);
  /// Makes the batch last. After a failure nothing of it is: leases opened in it are not open.
  result<void> commit();

  result<std::optional<messages::signed_receipt>> find(request_id request) { return store_->find(request); }
  chain_head const& head() const noexcept { return head_; }
  receipt_store& store() noexcept { return *store_; }
  std::size_t unsaved() const noexcept { return batch_.size() + holders_.size(); }

private:
  receipt_ledger(std::shared_ptr<receipt_store> store, crypto::signing_key key, chain_head head);
  result<void> append(messages::receipt body);
  void write_holders();

  std::shared_ptr<receipt_store> store_;
  crypto::signing_key key_;
  chain_head head_;
  chain_head committed_;
  std::vector<messages::holder_registered> holders_; ///< not written yet
  std::vector<messages::receipt> batch_;             ///< bodies issued since the last commit
  std::size_t appended_ = 0;                         ///< of those, already in the store's batch
};

} // namespace mayfly::actors
