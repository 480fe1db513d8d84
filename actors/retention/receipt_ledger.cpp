#include "actors/retention/receipt_ledger.hpp"

#include "protocol/crypto/receipt_signature.hpp"

namespace mayfly::actors {

result<receipt_ledger> receipt_ledger::open(std::shared_ptr<receipt_store> store, crypto::signing_key key) {
  auto head = store->head();
  if (!head) return head.failure();
  return receipt_ledger(std::move(store), std::move(key), *head);
}

receipt_ledger::receipt_ledger(std::shared_ptr<receipt_store> store, crypto::signing_key key, chain_head head)
    : store_(std::move(store)), key_(std::move(key)), head_(head), committed_(head) {}

/// A lost registration costs a confirmation after a restart, nothing before it: the table knows the holder.
void receipt_ledger::write_holders() {
  for (auto const& holder : holders_) static_cast<void>(store_->put_holder(holder).has_value());
  holders_.clear();
}

void receipt_ledger::issue(messages::receipt body) {
  auto const over = [&](auto const& holder) { return body.confirmed && holder.request == body.request; };
  std::erase_if(holders_, over);
  batch_.push_back(std::move(body));
  if (appended_ + 1 == batch_.size() && append(batch_.back())) ++appended_;
}

result<void> receipt_ledger::append(messages::receipt body) {
  body.counter = head_.counter + 1;
  body.previous = head_.hash;
  auto const receipt = crypto::sign(std::move(body), key_);
  chain_head const next{receipt.body.counter, crypto::chain_hash(receipt)};
  auto written = store_->put_receipt(receipt, next);
  if (written) head_ = next;
  return written;
}

result<void> receipt_ledger::commit() {
  result<void> done;
  write_holders();
  for (; done && appended_ < batch_.size();) {
    done = append(batch_[appended_]);
    if (done) ++appended_;
  }
  if (done) done = store_->commit();
  if (!done) { // back to the last state that lasts; the bodies stay for the next try
    store_->roll_back();
    head_ = committed_;
    appended_ = 0;
    return done;
  }
  committed_ = head_;
  batch_.clear();
  appended_ = 0;
  return done;
}

} // namespace mayfly::actors
