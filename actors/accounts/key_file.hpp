#pragma once
// Accounts and their API keys in a file that holds keyed hashes alone: one account each for now.
//
// The file is lines of JSON, mode 0600:
//   {"account":"<16 hex>","name":"alice","hash":"<64 hex>","created_unix_ms":0}   with "revoked_unix_ms" once
//   revoked
// `hash` is BLAKE2b-256 of the key under a secret of 32 bytes that lies beside it in "<path>.secret": a copy
// of the key file alone does not even tell whether a guess is right.
#include "actors/accounts/account_directory.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/messages/fields.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

namespace mayfly::actors::accounts {

/// A key as it is shown once: "mf-" and 43 characters of base64url (256 random bits).
struct new_key {
  account owner;
  ephemeral_text key;
};

/// What may be shown of a key at any time.
struct key_entry {
  account owner;
  messages::bytes32 hash{};
  std::int64_t created_unix_ms = 0;
  std::int64_t revoked_unix_ms = 0; ///< 0: in force
};

class key_file final : public account_directory {
public:
  /// Opens the file, or begins one (and its secret). Errors: not_permitted (somebody else can read it),
  /// malformed (`number` is the line, from 1), io. The file is looked at for changes at most once per
  /// `check_every`.
  static result<std::unique_ptr<key_file>>
  open(std::filesystem::path path, std::chrono::milliseconds check_every = std::chrono::milliseconds(250));
  ~key_file() override;

  /// A new key counts at once, any other change from the next look on. While the file cannot be read, what
  /// was read last counts.
  std::optional<account> find(std::string_view key) const override;

  /// Makes an account with a key. Errors: invalid_request (the name is in force already, or is no name), io.
  result<new_key> add(std::string_view title);
  /// Ends the key of an account. Errors: not_found, io.
  result<void> revoke(std::string_view title);
  /// Every key ever made, oldest first. Errors: as `open`.
  result<std::vector<key_entry>> list() const;

private:
  struct state;
  explicit key_file(std::unique_ptr<state> opened);
  std::unique_ptr<state> state_;
};

} // namespace mayfly::actors::accounts
