#include "protocol/crypto/secret_file.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sys/stat.h>

using namespace mayfly;
namespace fs = std::filesystem;

namespace {

std::span<std::byte const> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A folder of its own for each test, gone with it.
class scratch_folder {
public:
  scratch_folder() {
    std::string pattern = (fs::temp_directory_path() / "mayfly_secrets.XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~scratch_folder() { fs::remove_all(path_); }
  fs::path operator/(char const* name) const { return path_ / name; }
  fs::path const& path() const { return path_; }

private:
  fs::path path_;
};

void plain_file(fs::path const& path, mode_t mode) {
  std::ofstream(path) << "secret";
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

} // namespace

TEST_CASE("a secret that was written is read back") {
  scratch_folder const folder;
  REQUIRE(crypto::write_secret(folder / "key", bytes("secret")));
  auto const read = crypto::read_secret(folder / "key");
  REQUIRE(read);
  REQUIRE(std::memcmp(read->reveal().data(), "secret", 6) == 0);
  REQUIRE(read->size() == 6);
}

TEST_CASE("a secret file has mode 0600, whatever the umask, and whatever stood there") {
  scratch_folder const folder;
  plain_file(folder / "key", 0666);
  auto const before = umask(0);
  auto const written = crypto::write_secret(folder / "key", bytes("new"));
  umask(before);
  REQUIRE(written);
  REQUIRE(fs::status(folder / "key").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  REQUIRE(crypto::read_secret(folder / "key")->size() == 3);
}

TEST_CASE("writing leaves nothing beside the secret") {
  scratch_folder const folder;
  REQUIRE(crypto::write_secret(folder / "key", bytes("one")));
  REQUIRE(crypto::write_secret(folder / "key", bytes("two")));
  REQUIRE(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a secret that others may read, write or run is refused") {
  scratch_folder const folder;
  for (mode_t const mode : {0640U, 0604U, 0660U, 0644U, 0620U, 0700U, 0610U}) {
    plain_file(folder / "key", mode);
    auto const read = crypto::read_secret(folder / "key");
    REQUIRE_FALSE(read);
    REQUIRE(read.failure().code == errc::not_permitted);
    REQUIRE(read.failure().number == static_cast<std::int64_t>(mode));
  }
  plain_file(folder / "key", 0400);
  REQUIRE(crypto::read_secret(folder / "key"));
}

TEST_CASE("a secret behind a symbolic link, and a folder, are refused") {
  scratch_folder const folder;
  REQUIRE(crypto::write_secret(folder / "key", bytes("secret")));
  fs::create_symlink(folder / "key", folder / "link");
  REQUIRE_FALSE(crypto::read_secret(folder / "link"));
  auto const read = crypto::read_secret(folder.path());
  REQUIRE_FALSE(read);
  REQUIRE(read.failure().code == errc::not_permitted);
}

TEST_CASE("a secret that is not there is told apart") {
  scratch_folder const folder;
  auto const read = crypto::read_secret(folder / "none");
  REQUIRE_FALSE(read);
  REQUIRE(read.failure().code == errc::not_found);
}

TEST_CASE("a secret file beyond its bound is refused") {
  scratch_folder const folder;
  plain_file(folder / "key", 0600);
  fs::resize_file(folder / "key", crypto::largest_secret_bytes + 1);
  auto const read = crypto::read_secret(folder / "key");
  REQUIRE_FALSE(read);
  REQUIRE(read.failure().code == errc::too_large);
}

TEST_CASE("a secret that cannot be written says so and leaves nothing") {
  scratch_folder const folder;
  auto const written = crypto::write_secret(folder / "no folder/key", bytes("secret"));
  REQUIRE_FALSE(written);
  REQUIRE(written.failure().code == errc::io);
  fs::create_directory(folder / "taken");
  std::ofstream(folder / "taken/file") << "x";
  REQUIRE_FALSE(crypto::write_secret(folder / "taken", bytes("secret"))); // a folder cannot be replaced
  REQUIRE(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
}
