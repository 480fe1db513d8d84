#pragma once
// Deletion receipts: signed over their canonical encoding, chained by hash. Everything here works offline.
#include "protocol/crypto/keys.hpp"
#include "protocol/messages/retention.hpp"

namespace mayfly::crypto {

/// Sets `body.signer` to the key's public half and signs the body's encoding.
messages::signed_receipt sign(messages::receipt body, signing_key const& key);

/// Errors: untrusted (the signature does not hold for the signer that the body names). Whether that signer is
/// one to trust is the caller's to know.
result<void> verify(messages::signed_receipt const& receipt);

/// BLAKE2b-256 over the encoding of the signed receipt: what the next one in the chain carries as `previous`.
bytes32 chain_hash(messages::signed_receipt const& receipt);

/// Verifies a run of a chain, oldest first: every signature, one signer throughout, counters without gaps,
/// each `previous` the hash of the one before; counter 1 follows zeros. A run may start anywhere: what its
/// first receipt follows is the caller's to check. Errors: untrusted (`number`: the index of the first
/// receipt that does not hold).
result<void> verify_chain(std::span<messages::signed_receipt const> receipts);

} // namespace mayfly::crypto
