#include "cluster/node/configuration.hpp"

#include <catch2/catch.hpp>

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
  CHECK(problem_of("roles = ['worker']\nworkrs = 2\n") == "workrs is not a key that Mayfly knows");
  CHECK(problem_of("roles = ['worker']\n[http]\nprot = 2\n") == "http.prot is not a key that Mayfly knows");
}

TEST_CASE("a value of the wrong type or range is refused by name") {
  CHECK(problem_of("roles = ['worker']\nthreads = 'two'\n") == "threads has the wrong type");
  CHECK(problem_of("roles = ['worker']\n[http]\nport = 70000\n") == "http.port must lie between 0 and 65535");
  CHECK(problem_of("roles = ['wroker']\n").starts_with("roles: known are"));
}

TEST_CASE("what is not TOML is refused with its line") {
  CHECK(problem_of("roles = ['worker']\nthreads = = 2\n").starts_with("line 2"));
}

TEST_CASE("a model needs an id and a file") {
  CHECK(problem_of("roles = ['worker']\n[[model]]\nid = 'a'\n") == "each [[model]] needs an id and a file");
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
  node.state_directory = "/a \"quoted\\\" directory";
  node.http.port = 8443;
  node.http.tls = true;
  node.models.push_back(
      {*name::parse("tiny"), {*name::parse("default")}, "/m.gguf", 512, 1 << 20, 8, 16, 0.25, 0.5, true});
  node.control = 4;
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
  CHECK(read.state_directory == node.state_directory);
  CHECK(read.http.port == 8443);
  CHECK(read.http.tls);
  CHECK(read.models.at(0).id == node.models[0].id);
  CHECK(read.models.at(0).aliases == node.models[0].aliases);
  CHECK(read.models.at(0).kv_bytes == node.models[0].kv_bytes);
  CHECK(read.models.at(0).price_prompt == 0.25);
  CHECK(read.models.at(0).demo);
  CHECK(read.control == 4);
}
