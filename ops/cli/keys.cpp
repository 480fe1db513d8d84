#include "cluster/node/key_directory.hpp"
#include "ops/cli/cluster_access.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/secret_file.hpp"

#include <iostream>

namespace mayfly::cli {
namespace {

node::key_directory keys_in(std::filesystem::path const& directory) {
  return node::key_directory(directory / "keys");
}

std::optional<name> label_of(std::string const& text) {
  auto parsed = name::parse(text);
  if (!parsed) std::cerr << "mayfly: a name has 1 to 128 letters, digits or ._:/@+*-\n";
  return parsed ? std::optional(std::move(*parsed)) : std::nullopt;
}

} // namespace

int keys_show(std::filesystem::path const& directory) {
  auto keys = keys_in(directory).supervisor_keys();
  if (!keys) return explain("this host's key cannot be read", keys.failure());
  std::cout << crypto::to_hexadecimal(keys->public_key) << '\n';
  return 0;
}

int keys_list(std::filesystem::path const& directory) {
  for (auto const& key : keys_in(directory).trusted())
    std::cout << crypto::to_hexadecimal(key.public_key) << "  " << key.label.view() << '\n';
  return 0;
}

int keys_trust(std::filesystem::path const& directory, std::string const& text, std::string const& key) {
  auto const label = label_of(text);
  if (!label) return 2;
  if (auto done = keys_in(directory).trust(*label, key); !done) return explain("not trusted", done.failure());
  return 0;
}

int keys_revoke(std::filesystem::path const& directory, std::string const& text) {
  auto const label = label_of(text);
  if (!label) return 2;
  if (auto done = keys_in(directory).revoke(*label); !done) return explain("not revoked", done.failure());
  return 0;
}

int keys_make(std::filesystem::path const& file) {
  if (std::filesystem::exists(file)) {
    std::cerr << "mayfly: there is a key in " << file.native() << " already: it is not overwritten\n";
    return 1;
  }
  auto const keys = crypto::link_key::generate();
  auto const secret = keys.secret.reveal();
  std::string digits = crypto::to_hexadecimal(secret);
  auto written = crypto::write_secret(file, std::as_bytes(std::span(digits.data(), digits.size())));
  wipe(digits.data(), digits.size());
  if (!written) return explain("the key could not be written", written.failure());
  std::cout << "public_key = \"" << crypto::to_hexadecimal(keys.public_key) << "\"\n";
  return 0;
}

} // namespace mayfly::cli
