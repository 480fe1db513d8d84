#include "cluster/node/command_socket.hpp"
#include "cluster/node/event_log.hpp"
#include "cluster/node/hardening.hpp"
#include "cluster/node/node_process.hpp"
#include "cluster/node/supervisor.hpp"
#include "gpu/formats/gguf.hpp"
#include "ops/cli/cluster_access.hpp"
#include "protocol/crypto/encoding.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <thread>

namespace mayfly::cli {
namespace {

std::optional<std::string> file_text(std::filesystem::path const& path) {
  errno = 0;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return std::nullopt;
  return text.str();
}

std::string unreadable(std::filesystem::path const& configuration) {
  auto const why = std::generic_category().message(errno);
  return "the configuration " + configuration.native() + " cannot be read: " + why +
         "; ops/mayfly.toml.example is one to begin with";
}

int wrong(std::string const& sentence) {
  std::cerr << "mayfly: " << sentence << '\n';
  return 2;
}

/// A model's id is its file's name without the ending, in what a name may hold.
name id_of(std::filesystem::path const& file) {
  auto text = file.stem().native();
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::erase_if(text, [](char c) { return !name::parse(std::string_view(&c, 1)); });
  auto parsed = name::parse(text.substr(0, 100));
  return parsed ? *parsed : *name::parse("model");
}

std::optional<node::seed_configuration> parse_seed(std::string const& text) {
  auto const at = text.rfind('@');
  if (at == std::string::npos) return std::nullopt;
  auto endpoint = text.substr(0, at);
  if (!endpoint.starts_with("tcp://")) endpoint = "tcp://" + endpoint;
  auto parsed = name::parse(endpoint);
  node::seed_configuration seed;
  if (!parsed || !crypto::from_hexadecimal(text.substr(at + 1), seed.public_key)) return std::nullopt;
  seed.endpoint = std::move(*parsed);
  return seed;
}

/// This project's own model, made for tests and first tries, whatever its file is called.
bool demonstrates(std::filesystem::path const& file) {
  auto const opened = gpu::gguf_file::open(gpu::model_file(file));
  return opened && (*opened)->text("general.name") == "tiny-default";
}

/// Who would answer?
int check_workers(up_options const& options) {
  auto const& cluster = options.cluster;
  if (cluster.workers != 0) return 0;
  if (!cluster.join.empty()) return wrong("--workers 0 leaves a host that joins another with nothing to run");
  if (cluster.listen.empty())
    return wrong(
        "--workers 0 can answer nothing: take 1 or more, or give --listen HOST:PORT where other hosts' "
        "workers join");
  node::event_log("waits_for_workers")
      .with("why", "none runs here: other hosts' join at the address under \"join\" in cluster.json");
  return 0;
}

int add_models(up_options& options) {
  if (!options.models.empty()) options.cluster.models.clear();
  for (auto const& file : options.models) {
    if (!std::filesystem::exists(file)) return wrong("there is no model file " + file.native());
    node::model_configuration model;
    model.id = id_of(file);
    model.file = file;
    options.cluster.models.push_back(std::move(model));
  }
  for (auto& model : options.cluster.models) model.demo = model.demo || demonstrates(model.file);
  if (options.cluster.models.empty())
    return wrong("name a model: --model FILE.gguf, or [[model]] in the configuration");
  return 0;
}

int complete(up_options& options) {
  auto const& http = options.cluster.http;
  if (http.certificate.empty() != http.private_key.empty())
    return wrong("--certificate and --private-key belong together");
  if (!http.certificate.empty() && !http.tls) return wrong("--certificate needs --tls");
  if (!options.join.empty()) {
    auto seed = parse_seed(options.join);
    if (!seed)
      return wrong("--join takes HOST:PORT@KEY as the other host's cluster.json has it under \"join\"");
    options.cluster.join = {*seed};
  }
  if (int const status = check_workers(options); status != 0) return status;
  return add_models(options);
}

} // namespace

int read_configuration(up_options& options) {
  auto const text = file_text(options.configuration);
  if (!text) return wrong(unreadable(options.configuration));
  auto read = node::read_cluster_configuration(*text, std::move(options.cluster),
                                               options.configuration.parent_path());
  if (auto const* problem = std::get_if<node::configuration_error>(&read))
    return wrong(options.configuration.native() + ": " + problem->message);
  options.cluster = std::get<node::cluster_configuration>(std::move(read));
  return 0;
}

int up(up_options options) {
  if (int const status = complete(options); status != 0) return status;
  node::supervisor supervisor(std::move(options.cluster));
  auto const ran = supervisor.run();
  if (ran) return 0;
  if (supervisor.refusal().empty()) return explain("the cluster could not run", ran.failure());
  std::cerr << "mayfly: the cluster could not start: " << supervisor.refusal() << '\n';
  return 1;
}

int node(std::filesystem::path const& configuration) {
  if (auto entered = node::enter_content_environment(configuration); !entered)
    return explain("the node could not start", entered.failure());
  auto const text = file_text(configuration);
  if (!text) return wrong(unreadable(configuration));
  auto read = node::read_node_configuration(*text, configuration.parent_path());
  if (auto const* problem = std::get_if<node::configuration_error>(&read))
    return wrong(configuration.native() + ": " + problem->message);
  return node::run_node(std::get<node::node_configuration>(std::move(read)));
}

int stop(std::filesystem::path const& directory) {
  auto const socket = directory / "mayfly.sock";
  auto answer = node::ask_supervisor(socket, "stop");
  if (!answer) return explain("nothing to stop", answer.failure());
  std::cout << "Stopping: what runs is finished, nothing new is taken." << std::endl;
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::filesystem::exists(socket)) {
    if (std::chrono::steady_clock::now() > end) return wrong("the cluster has not ended within 30 seconds");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  std::cout << "Stopped.\n";
  return 0;
}

} // namespace mayfly::cli
