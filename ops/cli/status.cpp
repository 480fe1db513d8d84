// `mayfly status`: what operations knows, for a person or as JSON.
#include "cluster/node/command_socket.hpp"
#include "ops/cli/cluster_access.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

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

void print_processes(json::object const& status) {
  std::printf("%-12s %-9s %-11s %s\n", "PROCESS", "PID", "STATE", "RESTARTS");
  for (auto const& entry : array_in(status, "processes")) {
    auto const& process = entry.get_object();
    std::printf("%-12s %-9.0f %-11s %.0f\n", text_of(process, "role").c_str(), number_in(process, "pid"),
                text_of(process, "state").c_str(), number_in(process, "restarts"));
  }
}

void print_worker(std::string const& node, json::object const& worker) {
  for (auto const& entry : array_in(worker, "models")) {
    auto const& model = entry.get_object();
    std::printf("%-17s %-32s %-14s %5.0f %7.0f %6.0f%% %9.0f\n", node.c_str(),
                text_of(model, "model").c_str(), text_of(worker, "backend").c_str(),
                number_in(model, "running"), number_in(model, "waiting"),
                number_in(model, "kv_blocks") > 0
                    ? 100 * (1 - number_in(model, "kv_blocks_free") / number_in(model, "kv_blocks"))
                    : 0,
                number_in(worker, "resident_bytes") / (1 << 20));
  }
}

void print_workers(json::object const& cluster) {
  std::printf("\n%-17s %-32s %-14s %5s %7s %7s %9s\n", "WORKER", "MODEL", "BACKEND", "RUNS", "WAITS", "KV",
              "RES MiB");
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& node = entry.get_object();
    auto const& worker = object_in(node, "worker");
    if (!worker.empty())
      print_worker(text_of(node, "node"), worker);
    else if (joined(array_in(node, "roles")).find("worker") != std::string::npos)
      std::printf("%-17s not linked\n", text_of(node, "node").c_str());
  }
}

void print_totals(json::object const& cluster) {
  double requests = 0, running = 0, replayed = 0, open = 0, closed = 0, violations = 0, unconfirmed = 0;
  for (auto const& entry : array_in(cluster, "nodes")) {
    auto const& gateway = object_in(entry.get_object(), "gateway");
    auto const& retention = object_in(entry.get_object(), "retention");
    requests += number_in(gateway, "requests");
    running += number_in(gateway, "running");
    replayed += number_in(gateway, "replayed");
    open += number_in(retention, "leases_open");
    closed += number_in(retention, "leases_closed");
    violations += number_in(retention, "violations");
    unconfirmed += number_in(retention, "unconfirmed");
  }
  std::printf(
      "\nrequests %.0f (running %.0f, replayed %.0f)   leases open %.0f, closed %.0f, violations %.0f, "
      "unconfirmed %.0f\ntokens/s: prefill %.1f, decode %.1f\n",
      requests, running, replayed, open, closed, violations, unconfirmed,
      number_in(cluster, "prefill_tokens_per_second"), number_in(cluster, "decode_tokens_per_second"));
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
  auto const& cluster = object_in(status, "cluster");
  if (cluster.empty()) return 0;
  print_workers(cluster);
  print_totals(cluster);
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
