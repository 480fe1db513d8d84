#include "actors/accounts/key_file.hpp"
#include "ops/cli/cluster_access.hpp"

#include <ctime>
#include <iostream>

namespace mayfly::cli {
namespace {

using actors::accounts::key_file;

std::unique_ptr<key_file> open_keys(std::filesystem::path const& directory) {
  auto opened = key_file::open(directory / "state" / "api_keys.jsonl");
  if (opened) return std::move(*opened);
  explain("the API keys cannot be read: has a cluster ever run here?", opened.failure());
  return nullptr;
}

std::string day_of(std::int64_t unix_ms) {
  std::time_t const seconds = unix_ms / 1000;
  std::tm calendar{};
  gmtime_r(&seconds, &calendar);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &calendar)};
}

} // namespace

int apikey_add(std::filesystem::path const& directory, std::string const& label) {
  auto const keys = open_keys(directory);
  if (!keys) return 1;
  auto made = keys->add(label);
  if (!made) return explain("no key was made", made.failure());
  std::cerr << "This key is shown once and stored nowhere:\n";
  std::cout << made->key.reveal() << '\n';
  return 0;
}

int apikey_list(std::filesystem::path const& directory) {
  auto const keys = open_keys(directory);
  if (!keys) return 1;
  auto entries = keys->list();
  if (!entries) return explain("the API keys cannot be read", entries.failure());
  for (auto const& entry : *entries)
    std::cout << entry.owner.id.text() << "  " << day_of(entry.created_unix_ms) << "  "
              << (entry.revoked_unix_ms == 0 ? "in force" : "revoked ") << "  " << entry.owner.title.view()
              << '\n';
  return 0;
}

int apikey_revoke(std::filesystem::path const& directory, std::string const& label) {
  auto const keys = open_keys(directory);
  if (!keys) return 1;
  if (auto done = keys->revoke(label); !done) return explain("no key was revoked", done.failure());
  return 0;
}

} // namespace mayfly::cli
