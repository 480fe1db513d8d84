// `mayfly status`: what operations knows, for a person or as JSON.
#include "cluster/node/command_socket.hpp"
#include "ops/cli/cluster_access.hpp"
#include "ops/cli/table.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>
#include <tuple>
#include <vector>

namespace mayfly::cli {
namespace {

namespace json = boost::json;

json::object const& object_in(json::object const& owner, std::string_view key) {
  static json::object const none;
  auto const* value = owner.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : none;
}

json::array const& array_in(json::object const& owner, std::string_view key) {
  static json::array const none;
  auto const* value = owner.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

double number_in(json::object const& owner, std::string_view key) {
  auto const* value = owner.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::string joined(json::array const& texts) {
  std::string all;
  for (auto const& text : texts) all += (all.empty() ? "" : "+") + std::string(text.get_string());
  return all;
}

/// "3 h 2 min", "2 min 5 s", "5 s"
std::string lasting(double milliseconds) {
  auto const seconds = static_cast<std::int64_t>(milliseconds / 1000);
  auto const minutes = seconds / 60, hours = minutes / 60;
  if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes % 60) + " min";
  if (minutes > 0) return std::to_string(minutes) + " min " + std::to_string(seconds % 60) + " s";
  return std::to_string(seconds) + " s";
}

void print_processes(json::object const& status) {
  table processes{"PROCESS", "NODE", ">PID", "STATE", "UP", ">RESTARTS"};
  for (auto const& entry : array_in(status, "processes")) {
    auto const& process = entry.get_object();
    auto const up = number_in(process, "up_ms");
    processes.add({text_of(process, "role"), text_of(process, "node"), decimal(number_in(process, "pid")),
                   text_of(process, "state"), up > 0 ? lasting(up) : "",
                   decimal(number_in(process, "restarts"))});
  }
  std::cout << processes.text();
}

/// A host that joins another's cluster: that host's operator must trust it.
void print_join(json::object const& join) {
  if (join.empty()) return;
  auto const* linked = join.if_contains("linked");
  auto const seed = text_of(join, "seed");
  if (linked != nullptr && *linked == json::value(true))
    std::cout << "\nIts workers serve the cluster at " << seed << ".\n";
  else
    std::cout << "\nNot linked with " << seed
              << " yet: is it up, and does it trust this host? Run there:\n  mayfly keys trust NAME "
              << text_of(join, "key") << '\n';
}

std::string mebibytes(json::object const& figures, char const* key) {
  return decimal(number_in(figures, key) / (1 << 20), 1);
}

bool is_linked(json::object const& node) {
  auto const* linked = node.if_contains("linked");
  return linked != nullptr && *linked == json::value(true);
}

void add_worker(table& workers, json::object const& node) {
  auto const id = text_of(node, "node");
  auto const& worker = object_in(node, "worker");
  if (!is_linked(node)) return workers.add({id, "lost " + lasting(number_in(node, "lost_ms")) + " ago"});
  if (worker.empty()) return workers.add({id, "has not reported yet"});
  for (auto const& entry : array_in(worker, "models")) {
    auto const& model = entry.get_object();
    auto const blocks = number_in(model, "kv_blocks");
    auto const used = blocks > 0 ? 100 * (1 - number_in(model, "kv_blocks_free") / blocks) : 0;
    workers.add({id, text_of(model, "model"), text_of(worker, "backend"),
                 decimal(number_in(model, "running")), decimal(number_in(model, "waiting")),
                 decimal(used) + "%", mebibytes(model, "weight_bytes"), mebibytes(model, "kv_bytes"),
                 mebibytes(model, "device_bytes"), mebibytes(worker, "resident_bytes")});
  }
}

void print_workers(json::object const& cluster) {
  table workers{"WORKER", "MODEL",    "BACKEND", ">RUNS",    ">WAITS",
                ">KV",    ">WTS MiB", ">KV MiB", ">DEV MiB", ">RES MiB"};
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& node = entry.get_object();
    if (joined(array_in(node, "roles")).find("worker") != std::string::npos) add_worker(workers, node);
  }
  std::cout << '\n' << workers.text();
  if (workers.empty())
    std::cout
        << "none linked: what is asked is refused until one is (of this host, or by `mayfly up --join` of "
           "another)\n";
}

/// One line a rank, groups by model and rank 0's node; a rank that waits for its group has none.
void print_groups(json::object const& cluster) {
  struct line {
    std::string model, leader, node;
    json::object const* rank;
  };
  std::vector<line> lines;
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& node = entry.get_object();
    if (!is_linked(node)) continue;
    for (auto const& each : array_in(node, "ranks")) {
      auto const& rank = each.get_object();
      lines.push_back({text_of(rank, "model"), text_of(rank, "leader"), text_of(node, "node"), &rank});
    }
  }
  if (lines.empty()) return;
  std::ranges::sort(lines, {}, [](line const& one) {
    return std::tuple(one.model, one.leader, number_in(*one.rank, "rank"));
  });
  table groups{"GROUP OF RANKS", "RANK",     "NODE",    "CARRIER",  "STATE",
               ">EPOCH",         ">WTS MiB", ">KV MiB", ">DEV MiB", ">RES MiB"};
  bool in_clear = false;
  for (auto const& one : lines) {
    auto const& rank = *one.rank;
    auto const* formed = rank.if_contains("formed");
    groups.add(
        {one.model, decimal(number_in(rank, "rank")) + "/" + decimal(number_in(rank, "ranks")), one.node,
         text_of(rank, "carrier"), formed != nullptr && *formed == json::value(true) ? "formed" : "waiting",
         decimal(number_in(rank, "epoch")), mebibytes(rank, "weight_bytes"), mebibytes(rank, "kv_bytes"),
         mebibytes(rank, "device_bytes"), mebibytes(rank, "resident_bytes")});
    auto const* const clear = rank.if_contains("allow_unencrypted_nccl");
    in_clear = in_clear || (clear != nullptr && *clear == json::value(true));
  }
  std::cout << '\n' << groups.text();
  if (in_clear) std::cout << "allow_unencrypted_nccl is on: ranks' sums may cross hosts in clear\n";
}

/// How long the process of a node has run; 0 where another host runs it.
double up_ms(json::object const& status, std::string const& node) {
  for (auto const& entry : array_in(status, "processes"))
    if (text_of(entry.get_object(), "node") == node) return number_in(entry.get_object(), "up_ms");
  return 0;
}

/// Of linked nodes alone: the last words of one that is gone count no more.
void print_totals(json::object const& status, json::object const& cluster) {
  double requests = 0, running = 0, replayed = 0, open = 0, closed = 0, violations = 0, unconfirmed = 0,
         up = 0;
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& node = entry.get_object();
    if (!is_linked(node)) continue;
    auto const& gateway = object_in(node, "gateway");
    auto const& retention = object_in(node, "retention");
    requests += number_in(gateway, "requests");
    running += number_in(gateway, "running");
    replayed += number_in(gateway, "replayed");
    open += number_in(retention, "leases_open");
    closed += number_in(retention, "leases_closed");
    violations += number_in(retention, "violations");
    unconfirmed += number_in(retention, "unconfirmed");
    if (!gateway.empty() || !retention.empty()) up = std::max(up, up_ms(status, text_of(node, "node")));
  }
  std::printf("\nnow     requests running %.0f, leases open %.0f, tokens/s: prefill %.1f, decode %.1f\n",
              running, open, number_in(cluster, "prefill_tokens_per_second"),
              number_in(cluster, "decode_tokens_per_second"));
  std::printf(
      "so far  requests %.0f (replayed %.0f), leases closed %.0f, violations %.0f, unconfirmed %.0f\n",
      requests, replayed, closed, violations, unconfirmed);
  std::printf("        since the gateways' and retention's processes started, at most %s ago\n",
              lasting(up).c_str());
}

/// What an operator should mend.
void print_warnings(json::object const& cluster) {
  double unlocked = 0, lost = 0;
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& node = entry.get_object();
    if (!is_linked(node)) continue;
    for (auto const* role : {"gateway", "worker"})
      unlocked += number_in(object_in(node, role), "unlocked_bytes");
    bool const is_shard = joined(array_in(node, "roles")) == "shard"; // of a worker it is said already
    for (auto const& rank : array_in(node, "ranks"))
      unlocked += is_shard ? number_in(rank.get_object(), "unlocked_bytes") : 0;
    lost += number_in(object_in(node, "gateway"), "log_records_lost");
  }
  if (unlocked > 0)
    std::printf("\nWARNING: %.0f MiB of memory for content could not be locked and may be swapped: raise "
                "RLIMIT_MEMLOCK,\n         or switch swap off.\n",
                unlocked / (1 << 20));
  if (lost > 0)
    std::printf("\nWARNING: the request log lost %.0f records: is its disk full, or too slow?\n", lost);
}

int show(std::filesystem::path const& directory, bool as_json) {
  auto answer = node::ask_supervisor(directory / "mayfly.sock", "status");
  if (!answer) return explain("no status", answer.failure());
  if (as_json) {
    std::cout << *answer;
    return 0;
  }
  json::error_code problem;
  auto const parsed = json::parse(*answer, problem);
  if (problem || !parsed.is_object())
    return explain("no status", error{errc::malformed, "the answer is not JSON", 0});
  auto const& status = parsed.get_object();
  print_processes(status);
  print_join(object_in(status, "join"));
  auto const& cluster = object_in(status, "cluster");
  if (cluster.empty()) return 0;
  print_workers(cluster);
  print_groups(cluster);
  print_totals(status, cluster);
  print_warnings(cluster);
  return 0;
}

} // namespace

int status(std::filesystem::path const& directory, bool as_json, bool watch) {
  int outcome = show(directory, as_json);
  while (watch && outcome == 0) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    std::cout << "\033[H\033[J" << std::flush;
    outcome = show(directory, as_json);
    std::fflush(stdout);
  }
  return outcome;
}

} // namespace mayfly::cli
