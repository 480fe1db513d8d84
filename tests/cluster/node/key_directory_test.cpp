#include "cluster/node/key_directory.hpp"

#include "protocol/crypto/encoding.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sys/stat.h>

using namespace mayfly;
using namespace mayfly::node;

namespace {

struct temporary_directory {
  std::filesystem::path path;
  temporary_directory() {
    char pattern[] = "/tmp/mayfly-keys-XXXXXX";
    path = mkdtemp(pattern);
  }
  ~temporary_directory() { std::filesystem::remove_all(path); }
};

} // namespace

TEST_CASE("a host's own keys are made once and stay") {
  temporary_directory const directory;
  key_directory const keys(directory.path / "keys");
  auto const first = keys.supervisor_keys();
  auto const second = keys.supervisor_keys();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->public_key == second->public_key);
}

TEST_CASE("keys are shown and trusted before a cluster first ran in its directory") {
  temporary_directory const parent;
  for (auto const* const cluster : {"shown", "trusting"}) {
    auto const directory = parent.path / cluster;
    key_directory const keys(directory / "keys");
    if (std::string_view(cluster) == "shown")
      CHECK(keys.supervisor_keys());
    else
      CHECK(keys.trust(*name::parse("host-b"), std::string(64, 'a')));
    struct stat found{};
    REQUIRE(stat((directory / "keys").c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0700);
  }
  auto const nowhere = key_directory(parent.path / "no" / "such" / "keys").supervisor_keys();
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.failure().code == errc::io);
}

TEST_CASE("a secret key file has mode 0600, and a looser one is refused") {
  temporary_directory const directory;
  key_directory const keys(directory.path);
  REQUIRE(keys.secret("receipt.key"));
  auto const file = directory.path / "receipt.key";
  struct stat found{};
  REQUIRE(stat(file.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  chmod(file.c_str(), 0644);
  auto const refused = keys.secret("receipt.key");
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::not_permitted);
}

TEST_CASE("a key is trusted until it is revoked") {
  temporary_directory const directory;
  key_directory const keys(directory.path);
  auto const label = *name::parse("host-b");
  auto const digits = std::string(64, 'a');
  REQUIRE(keys.trust(label, digits));
  REQUIRE(keys.trusted().size() == 1);
  CHECK(crypto::to_hexadecimal(keys.trusted()[0].public_key) == digits);
  REQUIRE(keys.revoke(label));
  CHECK(keys.trusted().empty());
  CHECK_FALSE(keys.revoke(label));
}

TEST_CASE("another key under a trusted name, a name with a slash and what is no key are refused") {
  temporary_directory const directory;
  key_directory const keys(directory.path);
  auto const label = *name::parse("host-b");
  REQUIRE(keys.trust(label, std::string(64, 'a')));
  CHECK_FALSE(keys.trust(label, std::string(64, 'b')));
  CHECK_FALSE(keys.trust(*name::parse("../host"), std::string(64, 'b')));
  CHECK_FALSE(keys.trust(*name::parse("host-c"), "abc"));
  CHECK(keys.trusted().size() == 1);
}

TEST_CASE("a host is not told to trust itself") {
  temporary_directory const directory;
  key_directory const keys(directory.path);
  auto const own = keys.supervisor_keys();
  auto const seed = keys.seed_keys();
  REQUIRE(own);
  REQUIRE(seed);
  for (auto const& key : {own->public_key, seed->public_key}) {
    auto const refused = keys.trust(*name::parse("myself"), crypto::to_hexadecimal(key));
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().code == errc::configuration);
  }
  CHECK(keys.trusted().empty());
}
