#pragma once
// mayfly.toml: what a node, or a whole local cluster, is told. Every key with its default stands in
// cluster/node/README.md. Unknown keys are refused by name.
#include "cluster/node/rank_layout.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/messages/link.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::node {

/// [[model]]: one model of the catalogue.
struct model_configuration {
  name id;
  std::vector<name> aliases;
  std::filesystem::path file;       ///< GGUF
  std::uint32_t context_tokens = 0; ///< 0: the model's own
  std::uint64_t kv_bytes = 0;       ///< 0: room for two contexts, at most 512 MiB
  std::uint32_t max_sequences = 64;
  std::uint32_t max_queued = 256;
  double price_prompt = 0; ///< per million tokens, for the request log
  double price_completion = 0;
  bool demo = false;
  std::string device = "auto"; ///< "auto", "cpu", "cuda" or "cuda:INDEX": of the first rank on this host
  int descriptor = -1;         ///< of `file`, once this process has opened it
};

/// [nccl]: how ranks on CUDA devices speak between hosts. NCCL does not encrypt.
struct nccl_configuration {
  std::filesystem::path library;       ///< empty: libnccl.so.2 where the system looks for libraries
  std::string interface;               ///< by name; it must encrypt, or ...
  bool allow_unencrypted_nccl = false; ///< ... the operator takes it upon himself
  bool spans_hosts = false;            ///< a supervisor says so to its children
};

/// [http]
struct http_configuration {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 0; ///< loopback; 0: any free one
  bool tls = false;
  std::filesystem::path certificate; ///< PEM; empty with tls: self-signed
  std::filesystem::path private_key;
  std::uint64_t max_body_bytes = 4U << 20;
  std::chrono::seconds request_time{600};
  std::uint32_t max_in_flight = 1024;
};

struct seed_configuration {
  name endpoint; ///< of a node with a supervisor it may be empty: that one's view tells it
  messages::bytes32 public_key{};
};

/// A node: one process with any set of roles.
struct node_configuration {
  node_id node; ///< none: made at start
  node_id supervisor;
  messages::role_set roles = 0;
  name region;
  name listen; ///< "tcp://127.0.0.1:*"
  messages::bytes32 public_key{};
  ephemeral_bytes secret_key;    ///< CURVE, 32 bytes
  ephemeral_bytes receipt_seed;  ///< Ed25519, 32 bytes (retention)
  ephemeral_bytes pseudonym_key; ///< 32 bytes (retention)
  std::vector<messages::bytes32> trusted;
  std::vector<seed_configuration> seeds;
  bool seed = false;                     ///< keeps the member table for others
  std::filesystem::path state_directory; ///< receipts, request log, API keys; relative paths start here
  std::filesystem::path api_keys = "api_keys.jsonl";
  std::filesystem::path receipts = "receipts.db";
  std::filesystem::path request_log = "requests.jsonl";
  http_configuration http;
  std::vector<model_configuration> models;
  unsigned threads = 0;
  std::uint32_t rank = 0; ///< of `ranks` that its models are split over; a worker is rank 0, a shard another
  std::uint32_t ranks = 1;
  std::uint32_t place = 0;  ///< among the `places` of its host that compute: each has its share of processors
  std::uint32_t places = 1; ///< and its own CUDA device
  nccl_configuration nccl;
  int control = -1; ///< descriptor of the supervisor's channel; -1: none
};

/// What `mayfly up` runs on this machine.
struct cluster_configuration {
  std::filesystem::path directory = "var";
  unsigned workers = 1;
  bool split = false;
  std::uint32_t gateways = 1;
  unsigned threads_per_worker = 0;   ///< of each rank; 0: the processors shared out evenly
  std::uint32_t tensor_parallel = 1; ///< ranks that each worker's models are split over
  rank_layout ranks_over_hosts;      ///< [[rank_host]]; empty: every group is of one host
  nccl_configuration nccl;
  name listen;      ///< of the seed; empty: loopback, any free port
  name worker_host; ///< address that workers bind; default 127.0.0.1
  name region;
  std::vector<seed_configuration> join; ///< another host's seeds: run workers alone
  http_configuration http;
  std::vector<model_configuration> models;
};

/// What is wrong with a configuration file, for the operator who wrote it.
struct configuration_error {
  std::string message;
};

/// Reads a node's file. Secret keys are read from the files it names, or stand in it (supervised children).
/// Relative names of files (models, certificates, keys) start in `folder`, where the file lies; directories
/// (`directory`, `state_directory`) where the process runs, as on the command line.
std::variant<node_configuration, configuration_error>
read_node_configuration(std::string_view toml, std::filesystem::path const& folder = {});
std::variant<cluster_configuration, configuration_error>
read_cluster_configuration(std::string_view toml, cluster_configuration defaults,
                           std::filesystem::path const& folder = {});

/// The file of a supervised child, secrets included: for a descriptor in memory, never for a disk.
ephemeral_text write_node_configuration(node_configuration const& configuration);

} // namespace mayfly::node
