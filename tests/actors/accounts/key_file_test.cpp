#include "actors/accounts/key_file.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::actors::accounts;

namespace {

struct key_folder {
  key_folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "keys-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~key_folder() { std::filesystem::remove_all(path); }
  std::filesystem::path file() const { return path / "keys.jsonl"; }
  std::string text() const {
    std::ifstream stream(file());
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::filesystem::path path;
};

/// Asks until the answer is as wanted, for five seconds at most.
bool becomes(key_file const& keys, std::string_view key, bool known) {
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (keys.find(key).has_value() != known) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace

TEST_CASE("a new key is found at once, by its account") {
  key_folder folder;
  auto keys = *key_file::open(folder.file());
  auto const made = *keys->add("ann");
  CHECK(made.key.size() == 46);
  CHECK(made.key.reveal().starts_with("mf-"));
  auto const found = keys->find(made.key.reveal());
  REQUIRE(found.has_value());
  CHECK(found->id == made.owner.id);
  CHECK(found->title.view() == "ann");
}

TEST_CASE("other keys are not found") {
  key_folder folder;
  auto keys = *key_file::open(folder.file());
  auto const made = *keys->add("ann");
  std::string other(made.key.reveal());
  other.back() = other.back() == 'A' ? 'E' : 'A';
  CHECK_FALSE(keys->find(other).has_value());
  CHECK_FALSE(keys->find("").has_value());
  CHECK_FALSE(keys->find(std::string(made.key.reveal()) + std::string(300, 'x')).has_value());
}

TEST_CASE("the file holds no key, and only its owner can read it") {
  key_folder folder;
  auto keys = *key_file::open(folder.file());
  auto const made = *keys->add("ann");
  CHECK(folder.text().find(made.key.reveal().substr(3)) == std::string::npos);
  CHECK(folder.text().find(R"("name":"ann","hash":")") != std::string::npos);
  CHECK((std::filesystem::status(folder.file()).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("a key outlives the process that made it") {
  key_folder folder;
  auto const made = *(*key_file::open(folder.file()))->add("ann");
  CHECK((*key_file::open(folder.file()))->find(made.key.reveal()).has_value());
}

TEST_CASE("changes that another process makes count here") {
  key_folder folder;
  auto gateway = *key_file::open(folder.file());
  auto command = *key_file::open(folder.file());
  auto const made = *command->add("ann");
  CHECK(becomes(*gateway, made.key.reveal(), true));
  REQUIRE(command->revoke("ann").has_value());
  CHECK(becomes(*gateway, made.key.reveal(), false));
}

TEST_CASE("a revoked key stays in the list and its name is free again") {
  key_folder folder;
  auto keys = *key_file::open(folder.file());
  auto const first = *keys->add("ann");
  REQUIRE(keys->revoke("ann").has_value());
  CHECK_FALSE(keys->find(first.key.reveal()).has_value());
  auto const second = *keys->add("ann");
  CHECK(keys->find(second.key.reveal()).has_value());
  auto const list = *keys->list();
  REQUIRE(list.size() == 2);
  CHECK(list[0].revoked_unix_ms != 0);
  CHECK(list[1].revoked_unix_ms == 0);
}

TEST_CASE("names that are taken, or none, make no key") {
  key_folder folder;
  auto keys = *key_file::open(folder.file());
  REQUIRE(keys->add("ann").has_value());
  CHECK(keys->add("ann").failure().code == errc::invalid_request);
  CHECK(keys->add("two words").failure().code == errc::invalid_request);
  CHECK(keys->revoke("bob").failure().code == errc::not_found);
}

TEST_CASE("two openings of one file share its secret, two files do not") {
  key_folder one;
  key_folder other;
  auto const made = *(*key_file::open(one.file()))->add("ann");
  (*key_file::open(other.file()))->add("bob").has_value();
  std::filesystem::copy_file(one.file(), other.file(), std::filesystem::copy_options::overwrite_existing);
  CHECK_FALSE((*key_file::open(other.file()))->find(made.key.reveal()).has_value());
}

TEST_CASE("a broken file is an error that names the line") {
  key_folder folder;
  REQUIRE((*key_file::open(folder.file()))->add("ann").has_value());
  std::ofstream(folder.file(), std::ios::app) << "{}\n";
  auto const opened = key_file::open(folder.file());
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.failure().code == errc::malformed);
  CHECK(opened.failure().number == 2);
}

TEST_CASE("a file that others can read is refused") {
  key_folder folder;
  REQUIRE((*key_file::open(folder.file()))->add("ann").has_value());
  std::filesystem::permissions(folder.file(), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  CHECK_FALSE(key_file::open(folder.file()).has_value());
}

TEST_CASE("while the file is broken the keys that were read last stay in force") {
  key_folder folder;
  auto keys = *key_file::open(folder.file(), std::chrono::milliseconds(0));
  auto const made = *keys->add("ann");
  auto const whole = folder.text();
  std::ofstream(folder.file(), std::ios::app) << "broken\n";
  CHECK(keys->find(made.key.reveal()).has_value());
  std::ofstream(folder.file(), std::ios::trunc) << "";
  CHECK_FALSE(keys->find(made.key.reveal()).has_value());
  std::ofstream(folder.file(), std::ios::trunc) << whole;
  CHECK(keys->find(made.key.reveal()).has_value());
}
