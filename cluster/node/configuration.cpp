#include "cluster/node/configuration.hpp"

#include "cluster/node/role_names.hpp"
#include "gpu/collective/shared_memory/segment.hpp"
#include "gpu/kernels/device_choice.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/keys.hpp"
#include "protocol/crypto/secret_file.hpp"

#define TOML_EXCEPTIONS 1
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <toml++/toml.h>

namespace mayfly::node {
namespace {

/// Thrown inside this file only; the public functions turn it into a value.
struct refused {
  std::string message;
};

/// 32 bytes, as they are or as hexadecimal digits: as the supervisor's files or `mayfly keys make` hold them.
bool read_secret_file(std::string const& path, messages::bytes32& into) {
  auto const content = crypto::read_secret(path);
  if (!content) return false;
  auto const bytes = content->reveal();
  if (bytes.size() == into.size()) {
    std::ranges::copy(bytes, into.begin());
    return true;
  }
  std::string_view digits(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  return crypto::from_hexadecimal(digits, into).has_value();
}

/// A table whose keys are taken one by one: what is left at the end was not known.
class section {
public:
  section(toml::table const* table, std::string where, std::filesystem::path const& folder)
      : table_(table), where_(std::move(where)), folder_(&folder) {}

  /// A refusal that says where: line and key, as far as the file has them.
  refused wrong(std::string_view key, std::string const& what) const {
    auto const* node = table_ == nullptr ? nullptr : table_->get(key);
    auto const line = node != nullptr                        ? node->source().begin.line
                      : table_ != nullptr && !where_.empty() ? table_->source().begin.line
                                                             : 0;
    return {(line == 0 ? "" : "line " + std::to_string(line) + ": ") + place(key) + " " + what};
  }

  template <class T>
  std::optional<T> take(std::string_view key) {
    taken_.emplace_back(key);
    if (table_ == nullptr) return std::nullopt;
    auto const* node = table_->get(key);
    if (node == nullptr) return std::nullopt;
    auto value = node->value<T>();
    if (!value) throw wrong(key, "has the wrong type");
    return value;
  }

  template <class T>
  void number(std::string_view key, T& into, std::int64_t low, std::int64_t high) {
    auto const value = take<std::int64_t>(key);
    if (!value) return;
    if (*value < low || *value > high)
      throw wrong(key, "must lie between " + std::to_string(low) + " and " + std::to_string(high));
    into = static_cast<T>(*value);
  }

  void price(std::string_view key, double& into) {
    auto const value = take<double>(key);
    if (!value) return;
    if (!std::isfinite(*value) || *value < 0) throw wrong(key, "must be a number, 0 or more");
    into = *value;
  }
  void flag(std::string_view key, bool& into) {
    if (auto value = take<bool>(key)) into = *value;
  }
  void path(std::string_view key, std::filesystem::path& into) {
    if (auto value = take<std::string>(key)) into = *value;
  }
  /// A relative one starts where the configuration lies.
  void file(std::string_view key, std::filesystem::path& into) {
    path(key, into);
    if (!into.empty()) into = *folder_ / into;
  }
  void text(std::string_view key, std::string& into) {
    if (auto value = take<std::string>(key)) into = std::move(*value);
  }
  void named(std::string_view key, name& into) {
    auto value = take<std::string>(key);
    if (!value) return;
    auto parsed = name::parse(*value);
    if (!parsed) throw wrong(key, "must be 1 to 128 letters, digits or ._:/@+*-");
    into = std::move(*parsed);
  }
  void key32(std::string_view key, messages::bytes32& into) {
    auto value = take<std::string>(key);
    if (!value) return;
    if (!crypto::from_hexadecimal(*value, into)) throw wrong(key, "must be 64 hexadecimal digits");
  }
  /// `key` itself, or what the file that `<key>_file` names holds.
  void secret(std::string_view key, ephemeral_bytes& into) {
    messages::bytes32 bytes{};
    auto const file_key = std::string(key) + "_file";
    std::filesystem::path from;
    file(file_key, from);
    if (!from.empty() && !read_secret_file(from, bytes))
      throw wrong(file_key, "names " + from.native() +
                                ", which must be a file of mode 0600 with 32 bytes or 64 hexadecimal digits");
    key32(key, bytes);
    if (bytes == messages::bytes32{}) return;
    into = ephemeral_bytes(std::span<std::byte const>(bytes));
    wipe(bytes.data(), bytes.size());
  }
  template <class Id>
  void id(std::string_view key, Id& into) {
    auto value = take<std::string>(key);
    if (!value) return;
    auto parsed = Id::parse(*value);
    if (!parsed) throw wrong(key, "must be 16 hexadecimal digits");
    into = *parsed;
  }
  std::vector<std::string> texts(std::string_view key) {
    taken_.emplace_back(key);
    std::vector<std::string> found;
    if (table_ == nullptr || table_->get(key) == nullptr) return found;
    auto const* array = table_->get(key)->as_array();
    if (array == nullptr) throw wrong(key, "must be an array of strings");
    for (auto const& element : *array) {
      auto value = element.value<std::string>();
      if (!value) throw wrong(key, "must be an array of strings");
      found.push_back(*value);
    }
    return found;
  }
  section table(std::string_view key) {
    taken_.emplace_back(key);
    if (table_ == nullptr || table_->get(key) == nullptr) return {nullptr, std::string(key), *folder_};
    auto const* inner = table_->get(key)->as_table();
    if (inner == nullptr) throw wrong(key, "must be a table");
    return {inner, std::string(key), *folder_};
  }
  std::vector<section> tables(std::string_view key) {
    taken_.emplace_back(key);
    std::vector<section> found;
    if (table_ == nullptr || table_->get(key) == nullptr) return found;
    auto const* array = table_->get(key)->as_array();
    if (array == nullptr) throw wrong(key, "must be an array of tables: [[" + std::string(key) + "]]");
    for (auto const& element : *array) {
      if (!element.is_table()) throw wrong(key, "must be an array of tables");
      found.emplace_back(element.as_table(), std::string(key), *folder_);
    }
    return found;
  }
  void finish() const {
    if (table_ == nullptr) return;
    for (auto const& [key, value] : *table_)
      if (std::ranges::find(taken_, key.str()) == taken_.end())
        throw wrong(key.str(), "is not a key that Mayfly knows");
  }

private:
  std::string place(std::string_view key) const {
    return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
  }
  toml::table const* table_;
  std::string where_;
  std::filesystem::path const* folder_;
  std::vector<std::string> taken_;
};

constexpr std::int64_t most_ranks = gpu::shared_memory::most_ranks;

// A prompt travels in one message of at most 64 MiB, and JSON's escapes only shrink on the way.
constexpr std::int64_t most_body_bytes = std::int64_t{32} << 20;

void read_http(section http, http_configuration& into) {
  http.text("address", into.address);
  http.number("port", into.port, 0, 65535);
  http.number("admin_port", into.admin_port, 0, 65535);
  http.flag("tls", into.tls);
  http.file("certificate", into.certificate);
  http.file("private_key", into.private_key);
  http.number("max_body_bytes", into.max_body_bytes, 1024, most_body_bytes);
  http.number("max_in_flight", into.max_in_flight, 1, 1'000'000);
  std::int64_t seconds = into.request_time.count();
  http.number("request_seconds", seconds, 1, 86'400);
  into.request_time = std::chrono::seconds(seconds);
  http.finish();
}

model_configuration read_model(section model) {
  model_configuration read;
  model.named("id", read.id);
  model.file("file", read.file);
  if (read.id.empty() || read.file.empty()) throw refused{"each [[model]] needs an id and a file"};
  for (auto const& text : model.texts("aliases")) {
    auto alias = name::parse(text);
    if (!alias) throw refused{"model.aliases must hold names"};
    read.aliases.push_back(std::move(*alias));
  }
  model.number("context_tokens", read.context_tokens, 0, 1 << 24);
  model.number("kv_bytes", read.kv_bytes, 0, std::int64_t{1} << 44);
  model.number("max_sequences", read.max_sequences, 1, 4096);
  model.number("max_queued", read.max_queued, 0, 1 << 20);
  model.price("price_prompt", read.price_prompt);
  model.price("price_completion", read.price_completion);
  model.flag("demo", read.demo);
  model.text("device", read.device);
  if (!gpu::parse_device(read.device)) throw model.wrong("device", "must be auto, cpu, cuda or cuda:INDEX");
  model.finish();
  return read;
}

void read_nccl(section nccl, nccl_configuration& into) {
  nccl.file("library", into.library);
  nccl.text("interface", into.interface);
  nccl.flag("allow_unencrypted_nccl", into.allow_unencrypted_nccl);
  nccl.flag("spans_hosts", into.spans_hosts);
  nccl.finish();
}

std::vector<model_configuration> read_models(section& root) {
  std::vector<model_configuration> models;
  for (auto const& table : root.tables("model")) {
    auto model = read_model(table);
    if (std::ranges::any_of(models, [&](auto const& other) { return other.id == model.id; }))
      throw root.wrong("model", "has two sections with the id \"" + model.id.text() + "\"");
    models.push_back(std::move(model));
  }
  return models;
}

messages::role_set role_named(std::string const& text) {
  // A supervisor is what `mayfly up` is, not a role that a node takes.
  for (auto const& [role, spelling] : role_names)
    if (spelling == text && role != messages::role::supervisor) return static_cast<messages::role_set>(role);
  throw refused{"roles: known are gateway, scheduler, worker, retention, operations"};
}

std::vector<seed_configuration> read_seeds(section& root, std::string_view key, bool told_where = false) {
  std::vector<seed_configuration> seeds;
  for (auto table : root.tables(key)) {
    auto& seed = seeds.emplace_back();
    table.named("endpoint", seed.endpoint);
    table.key32("public_key", seed.public_key);
    table.finish();
    if (seed.public_key == messages::bytes32{}) throw refused{std::string(key) + ": public_key is missing"};
    if (seed.endpoint.empty() && !told_where) throw refused{std::string(key) + ": endpoint is missing"};
  }
  return seeds;
}

/// The hosts that one worker's ranks span; `ranks` is how many there must be.
rank_layout read_rank_hosts(section& root, std::uint32_t& ranks) {
  std::vector<rank_host> hosts;
  for (auto table : root.tables("rank_host")) {
    auto& host = hosts.emplace_back();
    table.named("endpoint", host.endpoint);
    table.key32("public_key", host.public_key);
    table.number("ranks", host.ranks, 1, most_ranks);
    table.finish();
    if (host.endpoint.empty() || host.public_key == messages::bytes32{})
      throw refused{"each [[rank_host]] needs an endpoint and a public_key"};
    auto const same_key = [&](rank_host const& one) { return one.public_key == host.public_key; };
    if (std::ranges::count_if(hosts, same_key) > 1)
      throw refused{"two [[rank_host]] have the same public_key"};
  }
  rank_layout layout(std::move(hosts));
  if (!layout.spans_hosts()) return layout;
  if (layout.hosts().size() < 2)
    throw refused{"ranks of one host need no [[rank_host]]: tensor_parallel will do"};
  if (layout.ranks() > most_ranks)
    throw refused{"the [[rank_host]]s have more than " + std::to_string(most_ranks) + " ranks"};
  if (ranks != 1 && ranks != layout.ranks())
    throw refused{"tensor_parallel is not the number of ranks of all [[rank_host]]s"};
  ranks = layout.ranks();
  return layout;
}

/// The public key may be left out: it follows from the secret one.
void complete_keys(node_configuration& into) {
  if (into.secret_key.empty() || into.public_key != messages::bytes32{}) return;
  auto const pair = crypto::link_key::from_secret(into.secret_key.reveal());
  if (!pair) throw refused{"secret_key is no key"};
  into.public_key = pair->public_key;
}

void read_node(section root, node_configuration& into) {
  root.id("node", into.node);
  root.id("supervisor", into.supervisor);
  for (auto const& text : root.texts("roles")) into.roles |= role_named(text);
  if (into.roles == 0) throw refused{"roles: a node needs at least one"};
  root.named("region", into.region);
  root.named("listen", into.listen);
  root.key32("public_key", into.public_key);
  root.secret("secret_key", into.secret_key);
  root.secret("receipt_seed", into.receipt_seed);
  root.secret("pseudonym_key", into.pseudonym_key);
  complete_keys(into);
  for (auto const& text : root.texts("trusted")) {
    if (!crypto::from_hexadecimal(text, into.trusted.emplace_back()))
      throw refused{"trusted: each key has 64 hexadecimal digits"};
  }
  into.seeds = read_seeds(root, "seed_node", bool(into.supervisor));
  root.flag("seed", into.seed);
  root.path("state_directory", into.state_directory);
  root.path("api_keys", into.api_keys);
  root.path("receipts", into.receipts);
  root.path("request_log", into.request_log);
  read_http(root.table("http"), into.http);
  into.models = read_models(root);
  root.number("threads", into.threads, 0, 1024);
  root.number("rank", into.rank, 0, most_ranks - 1);
  root.number("ranks", into.ranks, 1, most_ranks);
  root.number("place", into.place, 0, 1 << 14);
  root.number("places", into.places, 1, 1 << 14);
  read_nccl(root.table("nccl"), into.nccl);
  root.number("control", into.control, -1, 1 << 20);
  root.finish();
}

void read_cluster(section root, cluster_configuration& into) {
  root.path("directory", into.directory);
  root.number("workers", into.workers, 0, 1024);
  root.flag("split", into.split);
  root.number("gateways", into.gateways, 1, 64);
  root.number("threads_per_worker", into.threads_per_worker, 0, 1024);
  root.number("tensor_parallel", into.tensor_parallel, 1, most_ranks);
  into.ranks_over_hosts = read_rank_hosts(root, into.tensor_parallel);
  read_nccl(root.table("nccl"), into.nccl);
  root.named("listen", into.listen);
  root.named("worker_host", into.worker_host);
  root.named("region", into.region);
  auto seeds = read_seeds(root, "join");
  if (!seeds.empty()) into.join = std::move(seeds);
  read_http(root.table("http"), into.http);
  auto models = read_models(root);
  if (!models.empty()) into.models = std::move(models);
  root.finish();
}

std::string where(toml::parse_error const& problem) {
  std::ostringstream text;
  text << "line " << problem.source().begin.line << ": " << problem.description();
  return text.str();
}

template <class Configuration, class Reader>
std::variant<Configuration, configuration_error> read(std::string_view toml, Configuration into,
                                                      std::filesystem::path const& folder, Reader reader) {
  try {
    auto const table = toml::parse(toml);
    reader(section(&table, "", folder), into);
    return std::variant<Configuration, configuration_error>(std::move(into));
  } catch (toml::parse_error const& problem) {
    return configuration_error{where(problem)};
  } catch (refused const& problem) {
    return configuration_error{problem.message};
  }
}

} // namespace

std::variant<node_configuration, configuration_error>
read_node_configuration(std::string_view toml, std::filesystem::path const& folder) {
  return read(toml, node_configuration{}, folder, read_node);
}

std::variant<cluster_configuration, configuration_error>
read_cluster_configuration(std::string_view toml, cluster_configuration defaults,
                           std::filesystem::path const& folder) {
  return read(toml, std::move(defaults), folder, read_cluster);
}

} // namespace mayfly::node
