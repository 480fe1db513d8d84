#pragma once
// var/cluster.json: how the people and programs of this machine reach the cluster that `mayfly up` runs. True
// while it runs: written to a new file (0600) and renamed on every change, removed at the end.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace mayfly::node {

struct cluster_file {
  struct process {
    pid_t pid = 0;
    std::string role;
  };
  std::string url;               ///< first gateway; empty where this host only joined another's cluster
  std::vector<std::string> urls; ///< every gateway
  std::string admin_url;
  std::string certificate; ///< path of the PEM file to trust, where TLS is self-signed
  ephemeral_text api_key;
  std::string model;       ///< default model's id
  std::string join;        ///< what another host's `mayfly up --join` takes
  std::string receipt_key; ///< public key that this cluster's receipts are signed with
  bool ready = false;
  std::vector<process> processes;
};

/// How the name of the API key in it begins: the key ends with its cluster.
inline constexpr std::string_view cluster_key_prefix = "local-";

/// Errors: io (`number` is errno).
result<void> write_cluster_file(std::filesystem::path const& path, cluster_file const& file);

} // namespace mayfly::node
