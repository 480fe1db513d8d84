#include "cluster/node/configuration.hpp"

#include <catch2/catch.hpp>
#include <fstream>

using namespace mayfly;
using namespace mayfly::node;

namespace {

std::string problem_of(std::string_view toml) {
  auto const read = read_node_configuration(toml);
  auto const* problem = std::get_if<configuration_error>(&read);
  return problem == nullptr ? "" : problem->message;
}

} // namespace

TEST_CASE("an unknown key is refused by name") {
  CHECK(problem_of("roles = ['worker']\nworkrs = 2\n") == "line 2: workrs is not a key that Mayfly knows");
  CHECK(problem_of("roles = ['worker']\n[http]\nprot = 2\n") ==
        "line 3: http.prot is not a key that Mayfly knows");
}

TEST_CASE("a value of the wrong type or range is refused by name") {
  CHECK(problem_of("roles = ['worker']\nthreads = 'two'\n") == "line 2: threads has the wrong type");
  CHECK(problem_of("roles = ['worker']\n[http]\nport = 70000\n") ==
        "line 3: http.port must lie between 0 and 65535");
  CHECK(problem_of("roles = ['wroker']\n").starts_with("roles: known are"));
}

TEST_CASE("what is not TOML is refused with its line") {
  CHECK(problem_of("roles = ['worker']\nthreads = = 2\n").starts_with("line 2"));
}

TEST_CASE("a model needs an id and a file") {
  CHECK(problem_of("roles = ['worker']\n[[model]]\nid = 'a'\n") == "each [[model]] needs an id and a file");
}

TEST_CASE("a seed needs a key, and an endpoint where no supervisor tells it") {
  std::string const node = "roles = ['gateway']\n", seed = "[[seed_node]]\n", key(64, 'a');
  CHECK(problem_of(node + seed + "endpoint = 'tcp://a:1'\n") == "seed_node: public_key is missing");
  CHECK(problem_of(node + seed + "public_key = '" + key + "'\n") == "seed_node: endpoint is missing");
  CHECK(
      problem_of("supervisor = '00000000000000aa'\n" + node + seed + "public_key = '" + key + "'\n").empty());
}

TEST_CASE("a price below nothing is refused with its line") {
  for (std::string const key : {"price_prompt", "price_completion"})
    for (std::string const price : {"-0.5", "-1", "inf", "nan"})
      CHECK(problem_of("roles = ['worker']\n[[model]]\nid = 'a'\nfile = 'a.gguf'\n" + key + " = " + price) ==
            "line 5: model." + key + " must be a number, 0 or more");
}

TEST_CASE("names of files start in the configuration's folder, unless they start at the root") {
  auto const read = read_cluster_configuration("[http]\ncertificate = 'c.pem'\n"
                                               "[[model]]\nid = 'a'\nfile = 'models/a.gguf'\n"
                                               "[[model]]\nid = 'b'\nfile = '/b.gguf'\n",
                                               {}, "/etc/mayfly");
  auto const& cluster = std::get<cluster_configuration>(read);
  CHECK(cluster.models.at(0).file == "/etc/mayfly/models/a.gguf");
  CHECK(cluster.models.at(1).file == "/b.gguf");
  CHECK(cluster.http.certificate == "/etc/mayfly/c.pem");
  CHECK(cluster.http.private_key.empty());
}

TEST_CASE("the example of a configuration is one, and shows every default as it is") {
  std::ifstream file(MAYFLY_SOURCE_DIR "/ops/mayfly.toml.example");
  std::string as_it_stands, with_everything;
  for (std::string line; std::getline(file, line);) {
    as_it_stands += line + '\n';
    bool const setting = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    with_everything += (setting ? line.substr(1) : line) + '\n';
  }
  auto const plain = read_cluster_configuration(as_it_stands, {});
  auto const full = read_cluster_configuration(with_everything, {});
  REQUIRE(std::holds_alternative<cluster_configuration>(plain));
  REQUIRE(std::holds_alternative<cluster_configuration>(full));
  auto const& shown = std::get<cluster_configuration>(full);
  cluster_configuration const defaults;
  CHECK(std::get<cluster_configuration>(plain).models.size() == 1);
  CHECK(shown.directory == defaults.directory);
  CHECK(shown.workers == defaults.workers);
  CHECK(shown.threads_per_worker == defaults.threads_per_worker);
  CHECK(shown.gateways == defaults.gateways);
  CHECK(shown.tensor_parallel == 2); // one on each of its hosts; the key itself shows its default
  CHECK(shown.http.address == defaults.http.address);
  CHECK(shown.http.port == defaults.http.port);
  CHECK(shown.http.max_body_bytes == defaults.http.max_body_bytes);
  CHECK(shown.http.max_in_flight == defaults.http.max_in_flight);
  CHECK(shown.http.request_time == defaults.http.request_time);
  auto const& model = shown.models.at(0);
  CHECK(model.kv_bytes == model_configuration().kv_bytes);
  CHECK(model.max_sequences == model_configuration().max_sequences);
  CHECK(model.max_queued == model_configuration().max_queued);
}

TEST_CASE("the hosts that ranks span are read, and their ranks counted") {
  std::string const key_a(64, 'a'), key_b(64, 'b');
  auto const host = [](std::string const& key, std::string const& ranks) {
    return "[[rank_host]]\nendpoint = \"tcp://10.0.0.1:7500\"\npublic_key = \"" + key + "\"\n" + ranks;
  };
  auto const read = read_cluster_configuration(host(key_a, "ranks = 2\n") + host(key_b, ""), {});
  REQUIRE(std::holds_alternative<cluster_configuration>(read));
  auto const& cluster = std::get<cluster_configuration>(read);
  CHECK(cluster.tensor_parallel == 3);
  REQUIRE(cluster.ranks_over_hosts.hosts().size() == 2);
  CHECK(cluster.ranks_over_hosts.hosts()[0].ranks == 2);
  CHECK(cluster.ranks_over_hosts.hosts()[1].ranks == 1);
  auto const problem = [](std::string const& text) {
    auto const outcome = read_cluster_configuration(text, {});
    auto const* wrong = std::get_if<configuration_error>(&outcome);
    return wrong == nullptr ? std::string() : wrong->message;
  };
  CHECK(problem(host(key_a, "")).find("need no [[rank_host]]") != std::string::npos);
  CHECK(problem(host(key_a, "") + host(key_a, "")).find("same public_key") != std::string::npos);
  CHECK(problem("tensor_parallel = 4\n" + host(key_a, "") + host(key_b, "")).find("number of ranks") !=
        std::string::npos);
  CHECK(problem(host(key_a, "ranks = 16\n") + host(key_b, "")).find("more than 16") != std::string::npos);
  CHECK(problem("[[rank_host]]\nranks = 1\n").find("needs an endpoint") != std::string::npos);
  CHECK(problem("tensor_parallel = 17\n").find("between 1 and 16") != std::string::npos);
}

TEST_CASE("a model's device and how NCCL may speak are read, and what is no device is refused by its place") {
  auto const read =
      read_cluster_configuration("[nccl]\ninterface = \"wg0\"\nallow_unencrypted_nccl = true\n"
                                 "[[model]]\nid = \"a\"\nfile = \"a.gguf\"\ndevice = \"cuda:1\"\n"
                                 "[[model]]\nid = \"b\"\nfile = \"b.gguf\"\n",
                                 {});
  REQUIRE(std::holds_alternative<cluster_configuration>(read));
  auto const& cluster = std::get<cluster_configuration>(read);
  CHECK(cluster.models.at(0).device == "cuda:1");
  CHECK(cluster.models.at(1).device == "auto");
  CHECK(cluster.nccl.interface == "wg0");
  CHECK(cluster.nccl.allow_unencrypted_nccl);
  CHECK_FALSE(cluster.nccl.spans_hosts);
  auto const twice = read_cluster_configuration(
      "[[model]]\nid = \"a\"\nfile = \"a.gguf\"\n[[model]]\nid = \"a\"\nfile = \"b.gguf\"\n", {});
  REQUIRE(std::holds_alternative<configuration_error>(twice));
  CHECK(std::get<configuration_error>(twice).message.find("two sections with the id \"a\"") !=
        std::string::npos);
  auto const outcome =
      read_cluster_configuration("[[model]]\nid = \"a\"\nfile = \"a.gguf\"\ndevice = \"gpu\"\n", {});
  auto const* wrong = std::get_if<configuration_error>(&outcome);
  REQUIRE(wrong != nullptr);
  CHECK(wrong->message.find("line 4: ") == 0);
  CHECK(wrong->message.find("device must be auto, cpu, cuda or cuda:INDEX") != std::string::npos);
}

TEST_CASE("the examples of two GPU hosts agree on the model, the ranks and how NCCL may speak") {
  std::vector<cluster_configuration> read;
  for (auto const* host : {"a", "b"}) {
    std::ifstream file(MAYFLY_SOURCE_DIR "/ops/examples/two_gpu_hosts_" + std::string(host) + ".toml");
    std::string const text{std::istreambuf_iterator<char>(file), {}};
    auto outcome = read_cluster_configuration(text, {});
    REQUIRE(std::holds_alternative<cluster_configuration>(outcome));
    read.push_back(std::move(std::get<cluster_configuration>(outcome)));
  }
  auto const& [first, second] = std::tie(read[0], read[1]);
  CHECK(first.join.empty());
  CHECK(second.join.size() == 1);
  CHECK(first.tensor_parallel == 2);
  REQUIRE(second.ranks_over_hosts.hosts().size() == 2);
  for (std::size_t host = 0; host < 2; ++host) {
    CHECK(first.ranks_over_hosts.hosts()[host].endpoint == second.ranks_over_hosts.hosts()[host].endpoint);
    CHECK(first.ranks_over_hosts.hosts()[host].public_key ==
          second.ranks_over_hosts.hosts()[host].public_key);
  }
  CHECK(first.models.at(0).id == second.models.at(0).id);
  CHECK(first.models.at(0).device == "cuda");
  CHECK(second.models.at(0).device == "cuda");
  CHECK(first.models.at(0).kv_bytes == second.models.at(0).kv_bytes);
  CHECK(first.models.at(0).context_tokens == second.models.at(0).context_tokens);
  for (auto const& each : read) {
    CHECK(each.nccl.interface == "wg0");
    CHECK_FALSE(each.nccl.allow_unencrypted_nccl);
  }
}

TEST_CASE("a node without a role is refused") {
  CHECK(problem_of("threads = 2\n") == "roles: a node needs at least one");
}

TEST_CASE("what a supervisor writes for its child reads back the same, secrets included") {
  node_configuration node;
  node.node = node_id::make();
  node.supervisor = node_id::make();
  node.roles = 31;
  node.listen = *name::parse("tcp://127.0.0.1:*");
  node.public_key.fill(std::byte{0xAB});
  messages::bytes32 secret;
  secret.fill(std::byte{0x17});
  node.secret_key = ephemeral_bytes(std::span<std::byte const>(secret));
  node.trusted.push_back(node.public_key);
  node.seeds.push_back({*name::parse("tcp://10.0.0.1:7450"), secret});
  node.seeds.push_back({{}, node.public_key});
  node.state_directory = "/a \"quoted\\\" directory";
  node.http.port = 8443;
  node.http.tls = true;
  node.models.push_back(
      {*name::parse("tiny"), {*name::parse("default")}, "/m.gguf", 512, 1 << 20, 8, 16, 0.25, 0.5, true});
  node.control = 4;
  node.rank = 2;
  node.ranks = 3;
  auto const text = write_node_configuration(node);
  auto const outcome = read_node_configuration(text.reveal());
  REQUIRE(std::holds_alternative<node_configuration>(outcome));
  auto const& read = std::get<node_configuration>(outcome);
  CHECK(read.node == node.node);
  CHECK(read.supervisor == node.supervisor);
  CHECK(read.roles == node.roles);
  CHECK(read.public_key == node.public_key);
  CHECK(std::ranges::equal(read.secret_key.reveal(), node.secret_key.reveal()));
  CHECK(read.trusted == node.trusted);
  CHECK(read.seeds.at(0).public_key == secret);
  CHECK(read.seeds.at(1).endpoint.empty());
  CHECK(read.seeds.at(1).public_key == node.public_key);
  CHECK(read.state_directory == node.state_directory);
  CHECK(read.http.port == 8443);
  CHECK(read.http.tls);
  CHECK(read.models.at(0).id == node.models[0].id);
  CHECK(read.models.at(0).aliases == node.models[0].aliases);
  CHECK(read.models.at(0).kv_bytes == node.models[0].kv_bytes);
  CHECK(read.models.at(0).price_prompt == 0.25);
  CHECK(read.models.at(0).demo);
  CHECK(read.control == 4);
  CHECK(read.rank == 2);
  CHECK(read.ranks == 3);
}
