#pragma once
// What each subcommand of `mayfly` does. Every function returns the process's exit status: 0 done, 1 it
// failed (a sentence on standard error says why), 2 it was asked wrongly.
#include "cluster/node/configuration.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace mayfly::cli {

/// `mayfly up`: runs a whole cluster on this machine until it is stopped.
struct up_options {
  std::filesystem::path configuration;       ///< mayfly.toml; may be empty
  std::vector<std::filesystem::path> models; ///< instead of the configuration's
  std::string join;                          ///< ENDPOINT@KEY of a seed, instead of the configuration's
  node::cluster_configuration cluster;
};
/// Reads `options.configuration` into `options.cluster`; before the command line is read (again), so that
/// options count over the file.
int read_configuration(up_options& options);
int up(up_options options);

/// `mayfly node`: hosts the roles of a configuration file.
int node(std::filesystem::path const& configuration);

/// `mayfly stop`: asks the cluster of `directory` to drain and end; waits for it.
int stop(std::filesystem::path const& directory);

/// `mayfly status`: nodes, workers, leases open, tokens a second; as JSON where asked.
int status(std::filesystem::path const& directory, bool as_json, bool watch);

/// Where a client command finds its cluster: by directory (cluster.json), or by URL and key from the
/// environment.
struct access_options {
  std::filesystem::path directory = "var";
  std::string url;         ///< overrides cluster.json; its key is then MAYFLY_API_KEY's
  std::string certificate; ///< PEM to trust
};

/// `mayfly chat`: a conversation in the terminal, or one answer to `prompt`. With `receipt`, waits for the
/// deletion receipt and says in a sentence what it proves.
struct chat_options {
  access_options access;
  std::string prompt;
  std::string system;
  std::string model;
  int max_tokens = 0;
  double temperature = -1;
  bool receipt = false;
};
int chat(chat_options const& options);

int keys_show(std::filesystem::path const& directory);
int keys_list(std::filesystem::path const& directory);
int keys_trust(std::filesystem::path const& directory, std::string const& label, std::string const& key);
int keys_revoke(std::filesystem::path const& directory, std::string const& label);
int keys_make(std::filesystem::path const& file);

int apikey_add(std::filesystem::path const& directory, std::string const& label);
int apikey_list(std::filesystem::path const& directory);
int apikey_revoke(std::filesystem::path const& directory, std::string const& label);

int receipt_get(access_options const& access, std::string const& id);
/// Verifies offline: the signature of each receipt of a file, the chain where there are several, and the
/// signer where one is named.
int receipt_verify(std::filesystem::path const& file, std::string const& signer);

} // namespace mayfly::cli
