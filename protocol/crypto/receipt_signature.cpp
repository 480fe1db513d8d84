#include "protocol/crypto/receipt_signature.hpp"

#include "protocol/crypto/hash.hpp"
#include "protocol/msgpack/codec.hpp"

namespace mayfly::crypto {
namespace {

template <class M>
ephemeral_bytes encoding_of(M const& value) {
  ephemeral_bytes bytes;
  wire::encode(value, bytes);
  return bytes;
}

} // namespace

messages::signed_receipt sign(messages::receipt body, signing_key const& key) {
  body.signer = key.public_key();
  auto const signature = key.sign(encoding_of(body).reveal());
  return {std::move(body), signature};
}

result<void> verify(messages::signed_receipt const& receipt) {
  if (!verify(receipt.body.signer, encoding_of(receipt.body).reveal(), receipt.signature))
    return error{errc::untrusted, "the receipt's signature does not hold", 0};
  return {};
}

bytes32 chain_hash(messages::signed_receipt const& receipt) { return hash(encoding_of(receipt).reveal()); }

result<void> verify_chain(std::span<messages::signed_receipt const> receipts) {
  for (std::size_t index = 0; index < receipts.size(); ++index) {
    auto const& body = receipts[index].body;
    auto const place = static_cast<std::int64_t>(index);
    if (!verify(receipts[index])) return error{errc::untrusted, "a receipt's signature does not hold", place};
    if (body.counter == 0 || (body.counter == 1 && body.previous != bytes32{}))
      return error{errc::untrusted, "a chain starts with counter 1 after zeros", place};
    if (index == 0) continue;
    auto const& before = receipts[index - 1];
    if (body.signer != before.body.signer) return error{errc::untrusted, "a chain has one signer", place};
    if (body.counter != before.body.counter + 1)
      return error{errc::untrusted, "a receipt is missing from the chain", place};
    if (body.previous != chain_hash(before))
      return error{errc::untrusted, "a receipt does not follow the one before", place};
  }
  return {};
}

} // namespace mayfly::crypto
