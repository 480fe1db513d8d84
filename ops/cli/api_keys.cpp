#include "actors/accounts/key_file.hpp"
#include "cluster/node/cluster_file.hpp"
#include "cluster/node/command_socket.hpp"
#include "ops/cli/cluster_access.hpp"

#include <boost/json.hpp>
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

/// A former cluster's own key: it ended with its cluster, and says nothing to anybody.
bool is_former_clusters(actors::accounts::key_entry const& entry) {
  return entry.revoked_unix_ms != 0 && entry.owner.title.view().starts_with(node::cluster_key_prefix);
}

/// Where the cluster is that the host of `directory` runs workers for: it has no gateway of its own, which
/// would know a key. Empty where it joined none, or does not run.
std::string joined_cluster(std::filesystem::path const& directory) {
  auto const answer = node::ask_supervisor(directory / "mayfly.sock", "status");
  if (!answer) return {};
  boost::json::error_code problem;
  auto const status = boost::json::parse(*answer, problem);
  if (problem || !status.is_object()) return {};
  auto const* join = status.get_object().if_contains("join");
  return join != nullptr && join->is_object() ? text_of(join->get_object(), "seed") : std::string();
}

} // namespace

int apikey_add(std::filesystem::path const& directory, std::string const& label) {
  auto const keys = open_keys(directory);
  if (!keys) return 1;
  if (label.starts_with(node::cluster_key_prefix))
    return explain("no key was made",
                   {errc::invalid_request, "names that begin with local- are the clusters' own", 0});
  if (auto const seed = joined_cluster(directory); !seed.empty()) {
    std::cerr << "mayfly: no key was made: this host runs workers for the cluster at " << seed
              << ", whose gateways would not know it: add the key in that cluster's directory\n";
    return 1;
  }
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
    if (!is_former_clusters(entry))
      std::cout << entry.owner.id.text() << "  " << clock_text(entry.created_unix_ms) << "  "
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
