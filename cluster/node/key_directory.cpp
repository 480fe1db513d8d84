#include "cluster/node/key_directory.hpp"

#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/random.hpp"
#include "protocol/crypto/secret_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sys/stat.h>

namespace mayfly::node {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t key_bytes = 32;

result<void> write_public(fs::path const& path, messages::bytes32 const& key) {
  std::ofstream file(path, std::ios::trunc);
  file << crypto::to_hexadecimal(key) << '\n';
  if (!file.flush()) return error{errc::io, "a public key could not be written", errno};
  return {};
}

std::optional<trusted_key> read_trusted(fs::path const& path) {
  trusted_key found;
  auto label = name::parse(path.stem().native());
  std::ifstream file(path);
  std::string digits;
  if (!label || !(file >> digits) || !crypto::from_hexadecimal(digits, found.public_key)) return std::nullopt;
  found.label = std::move(*label);
  return found;
}

} // namespace

/// With the cluster's directory around it: keys are shown and trusted before a cluster first runs.
result<void> key_directory::make() const {
  auto const parent = path_.parent_path();
  if (!parent.empty() && mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
    return error{errc::io, "the cluster's directory could not be made: its parent must exist", errno};
  if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST)
    return error{errc::io, "the directory of keys could not be made", errno};
  return {};
}

result<ephemeral_bytes> key_directory::secret(std::string_view file) const {
  if (auto made = make(); !made) return made.failure();
  auto const path = path_ / file;
  if (!fs::exists(path)) {
    auto made = crypto::random_bytes(key_bytes);
    if (auto written = crypto::write_secret(path, made.reveal()); !written) return written.failure();
    return made;
  }
  auto read = crypto::read_secret(path);
  if (!read) return read.failure();
  if (read->size() != key_bytes)
    return error{errc::malformed, "a key file has 32 bytes", static_cast<std::int64_t>(read->size())};
  return read;
}

result<crypto::link_key> key_directory::supervisor_keys() const {
  auto bytes = secret("supervisor.key");
  if (!bytes) return bytes.failure();
  auto keys = crypto::link_key::from_secret(bytes->reveal());
  if (!keys) return keys.failure();
  if (auto written = write_public(path_ / "supervisor.pub", keys->public_key); !written)
    return written.failure();
  return std::move(*keys);
}

result<crypto::link_key> key_directory::seed_keys() const {
  auto bytes = secret("seed.key");
  if (!bytes) return bytes.failure();
  return crypto::link_key::from_secret(bytes->reveal());
}

std::vector<trusted_key> key_directory::trusted() const {
  std::vector<trusted_key> keys;
  std::error_code problem;
  for (auto const& entry : fs::directory_iterator(path_ / "trusted", problem))
    if (entry.path().extension() == ".pub")
      if (auto key = read_trusted(entry.path())) keys.push_back(std::move(*key));
  std::ranges::sort(keys, {}, &trusted_key::label);
  return keys;
}

bool key_directory::is_own(messages::bytes32 const& key) const {
  if (auto const own = read_trusted(path_ / "supervisor.pub"); own && own->public_key == key) return true;
  if (!fs::exists(path_ / "seed.key")) return false;
  auto const seed = seed_keys();
  return seed && seed->public_key == key;
}

result<void> key_directory::trust(name const& label, std::string_view hexadecimal) const {
  messages::bytes32 key{};
  if (auto read = crypto::from_hexadecimal(hexadecimal, key); !read) return read;
  if (label.view().find('/') != std::string_view::npos)
    return error{errc::malformed, "the name of a trusted key has no slash", 0};
  if (is_own(key))
    return error{errc::configuration, "that is this host's own key: give the other host's `mayfly keys show`",
                 0};
  if (auto made = make(); !made) return made;
  auto const directory = path_ / "trusted";
  std::error_code problem;
  fs::create_directories(directory, problem);
  auto const path = directory / (label.text() + ".pub");
  auto const present = read_trusted(path);
  if (present && present->public_key != key)
    return error{errc::configuration, "another key is trusted under this name: revoke it first", 0};
  auto next = path;
  next += ".new";
  if (auto written = write_public(next, key); !written) return written;
  fs::rename(next, path, problem);
  if (problem) return error{errc::io, "a trusted key could not be written", problem.value()};
  return {};
}

result<void> key_directory::revoke(name const& label) const {
  std::error_code problem;
  if (label.view().find('/') != std::string_view::npos ||
      !fs::remove(path_ / "trusted" / (label.text() + ".pub"), problem))
    return error{errc::not_found, "no key is trusted under this name", 0};
  return {};
}

} // namespace mayfly::node
