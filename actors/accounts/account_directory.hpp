#pragma once
// Whose key is it? The accounts store comes later behind the same contract.
#include "protocol/base/ids.hpp"
#include "protocol/base/name.hpp"

#include <optional>
#include <string_view>

namespace mayfly::actors::accounts {

struct account {
  account_id id;
  name title; ///< as the operator named it: for logs and people
};

class account_directory {
public:
  virtual ~account_directory() = default;
  /// The account that a key belongs to, or nothing. Takes the same time for every key of a length. The key is
  /// hashed and forgotten. Thread-safe.
  virtual std::optional<account> find(std::string_view key) const = 0;
};

} // namespace mayfly::actors::accounts
