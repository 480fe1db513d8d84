#pragma once
// TLS certificates: given, or made for the occasion.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace mayfly::actors::http {

/// A certificate chain and its private key, both PEM. The chain is public: clients may be given it to trust.
struct certificate {
  std::string chain_pem;
  ephemeral_text key_pem;
};

/// Reads both from files. Errors: io (`number` is errno), too_large.
result<certificate> read_certificate(std::filesystem::path const& chain, std::filesystem::path const& key);

/// Makes a self-signed EC P-256 certificate that is valid from an hour ago. `names` are DNS names or IP
/// addresses for subjectAltName; clients that are to trust it are given `chain_pem`.
/// Errors: invalid_request (a name that is neither), internal (OpenSSL fails).
result<certificate> make_self_signed(std::vector<std::string> const& names = {"localhost", "127.0.0.1",
                                                                              "::1"},
                                     std::chrono::hours lifetime = std::chrono::hours(24 * 825));

/// True if the first certificate of `chain_pem` names every one of `names` and is valid for `time` from now
/// on.
bool is_good_for(std::string const& chain_pem, std::vector<std::string> const& names,
                 std::chrono::hours time);

} // namespace mayfly::actors::http
