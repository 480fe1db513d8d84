// How a running cluster answers the command line, and what it leaves in cluster.json.
#include "cluster/membership/announcer.hpp"
#include "cluster/node/event_log.hpp"
#include "cluster/node/supervisor.hpp"
#include "protocol/crypto/encoding.hpp"

#include <charconv>
#include <csignal>
#include <unistd.h>

namespace mayfly::node {
namespace {

using messages::role;

std::int64_t milliseconds_since(deadline then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(boot_clock::now() - then).count();
}

std::string url_of(http_configuration const& http, std::uint16_t port) {
  auto host = http.address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return (http.tls ? "https://" : "http://") + host + ":" + std::to_string(port);
}

} // namespace

void supervisor::serve(command_socket::ticket client, std::string const& line) {
  if (line == "status") return serve_status(client);
  if (line == "stop") {
    commands_->answer(client, "stopping\n");
    return begin_stop();
  }
  commands_->answer(client, "{\"error\": \"unknown command\"}\n");
}

void supervisor::serve_status(command_socket::ticket client) {
  auto const number = next_query_++;
  for (auto& child : children_) {
    if (!child.process || !child.ready || !has_role(child.plan.roles, role::operations)) continue;
    auto const text = std::to_string(number);
    auto const bytes = std::as_bytes(std::span(text.data(), text.size()));
    if (!child.process->control().send(control_type::status_query, bytes)) break;
    status_queries_[number] = client;
    return;
  }
  commands_->answer(client, "{\"processes\": " + processes_json() + seeds_json() + "}\n");
}

void supervisor::pass_status(control_frame const& frame) {
  std::string_view text(reinterpret_cast<char const*>(frame.body.data()), frame.body.size());
  std::uint64_t number = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  auto const found = status_queries_.find(number);
  if (problem != std::errc{} || found == status_queries_.end()) return;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  commands_->answer(found->second, "{\"processes\": " + processes_json() + seeds_json() +
                                       ", \"cluster\": " + std::string(text) + "}\n");
  status_queries_.erase(found);
}

/// Operations ended: what it was asked is answered with what is known here.
void supervisor::answer_without_operations() {
  for (auto const& [number, client] : std::exchange(status_queries_, {}))
    commands_->answer(client, "{\"processes\": " + processes_json() + "}\n");
}

std::string supervisor::processes_json() const {
  std::string text =
      "[{\"role\": \"supervisor\", \"pid\": " + std::to_string(getpid()) + ", \"state\": \"running\"}";
  for (auto const& child : children_) {
    text += ", {\"role\": \"" + child.plan.label + "\", \"node\": \"" + child.member.node.text() +
            "\", \"pid\": ";
    text += std::to_string(child.process ? child.process->pid() : 0) + ", \"state\": \"";
    text += !child.process ? (child.refused ? "refused" : "restarting")
            : child.ready  ? "running"
                           : "starting";
    text += "\", \"restarts\": " + std::to_string(child.restart_count);
    text += ", \"up_ms\": " + std::to_string(child.process ? milliseconds_since(child.started) : 0) + "}";
  }
  return text + "]";
}

/// Where this host joins another's cluster: whether it does yet, and what that host must trust.
std::string supervisor::seeds_json() const {
  if (!announcer_) return {};
  return ", \"join\": {\"seed\": \"" + configuration_.join.front().endpoint.text() +
         "\", \"linked\": " + (announcer_->linked_seeds() != 0 ? "true" : "false") + ", \"key\": \"" +
         crypto::to_hexadecimal(own_keys_.public_key) + "\"}";
}

void supervisor::write_file() {
  cluster_file file;
  file.api_key = api_key_.clone();
  file.ready = is_ready();
  if (!configuration_.models.empty()) file.model = configuration_.models.front().id.text();
  auto const& given = configuration_.http.certificate;
  if (configuration_.http.tls)
    file.certificate = given.empty() ? self_signed_chain() : std::filesystem::absolute(given);
  file.receipt_key = receipt_key_;
  file.processes.push_back({getpid(), "supervisor"});
  for (auto const& child : children_) {
    if (child.process) file.processes.push_back({child.process->pid(), child.plan.label});
    if (child.http_port != 0) file.urls.push_back(url_of(configuration_.http, child.http_port));
    if (child.admin_port != 0) file.admin_url = "http://127.0.0.1:" + std::to_string(child.admin_port);
    if (child.plan.seed && child.ready)
      file.join = child.member.endpoint.text() + "@" + crypto::to_hexadecimal(child.member.public_key);
  }
  if (!file.urls.empty()) file.url = file.urls.front();
  if (auto written = write_cluster_file(configuration_.directory / "cluster.json", file); !written)
    event_log("cluster_file_failed").with("errno", written.failure().number);
}

} // namespace mayfly::node
