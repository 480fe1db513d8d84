#pragma once
// The keys of a host, in <directory>/keys: the supervisor's own CURVE pair, the keys behind receipts, and the
// public keys this host trusts. Secret files have mode 0600; anything looser is refused.
#include "protocol/base/ephemeral.hpp"
#include "protocol/crypto/keys.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace mayfly::node {

struct trusted_key {
  name label;
  messages::bytes32 public_key{};
};

class key_directory {
public:
  explicit key_directory(std::filesystem::path path) : path_(std::move(path)) {}

  /// The host's own pair (supervisor.key, supervisor.pub), made at first use. Errors: io, not_permitted.
  result<crypto::link_key> supervisor_keys() const;

  /// The pair of the process that keeps the member table: other hosts dial it by this key, which must outlive
  /// the process. Made at first use (seed.key). Errors: io, not_permitted.
  result<crypto::link_key> seed_keys() const;

  /// 32 secret bytes of the given file ("receipt.key", "pseudonym.key"), made at first use.
  result<ephemeral_bytes> secret(std::string_view file) const;

  /// Files of trusted/, sorted by label. What does not hold a key is skipped.
  std::vector<trusted_key> trusted() const;
  /// Errors: io; malformed (not 64 hexadecimal digits); configuration (the label is taken by another key; the
  /// key is this host's own).
  result<void> trust(name const& label, std::string_view hexadecimal) const;
  /// Errors: not_found.
  result<void> revoke(name const& label) const;

private:
  result<void> make() const;
  bool is_own(messages::bytes32 const& key) const;
  std::filesystem::path path_;
};

} // namespace mayfly::node
