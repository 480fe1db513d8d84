#include "cluster/node/model_loading.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace mayfly;
using namespace mayfly::node;

namespace {

constexpr char const* variables[] = {"NCCL_CONF_FILE",     "NCCL_DEBUG",      "NCCL_DEBUG_FILE",
                                     "NCCL_SOCKET_IFNAME", "NCCL_NET",        "NCCL_IB_DISABLE",
                                     "NCCL_NET_PLUGIN",    "NCCL_RAS_ENABLE", "NCCL_MNNVL_ENABLE"};

/// Takes the variables out of this process's environment again.
struct clean_environment {
  clean_environment() = default;
  clean_environment(clean_environment const&) = delete;
  clean_environment& operator=(clean_environment const&) = delete;
  ~clean_environment() {
    for (auto const* name : variables) unsetenv(name);
  }
};

std::string variable(char const* name) {
  auto const* const value = std::getenv(name);
  return value == nullptr ? "unset" : value;
}

node_configuration rank_with(std::string device) {
  node_configuration node;
  node.ranks = 2;
  node.models.resize(1);
  node.models[0].device = std::move(device);
  return node;
}

} // namespace

TEST_CASE("ranks of one host have NCCL quiet and on loopback") {
  clean_environment const after;
  auto node = rank_with("cuda:0");
  start_step step;
  REQUIRE(prepare_nccl(node, step).has_value());
  CHECK(node.models[0].device == "cuda:0");
  CHECK(variable("NCCL_DEBUG") == "NONE");
  CHECK(variable("NCCL_DEBUG_FILE") == "/dev/null");
  CHECK(variable("NCCL_SOCKET_IFNAME") == "=lo");
}

TEST_CASE("ranks on processors, and a worker that is all of its model, leave the environment as it is") {
  clean_environment const after;
  auto on_processors = rank_with("cpu");
  auto whole = rank_with("auto");
  whole.ranks = 1;
  start_step step;
  CHECK(prepare_nccl(on_processors, step).has_value());
  CHECK(prepare_nccl(whole, step).has_value());
  CHECK(variable("NCCL_DEBUG") == "unset");
}

TEST_CASE("where a device is left open ranks take none unless each has its own, nor ever over hosts") {
  clean_environment const after;
  start_step step;
  auto within = rank_with("auto"); // there is no plug-in beside these tests
  CHECK(prepare_nccl(within, step).has_value());
  CHECK(within.models[0].device == "cpu");
  auto over = rank_with("auto");
  over.nccl.spans_hosts = over.nccl.allow_unencrypted_nccl = true;
  over.nccl.interface = "lo";
  CHECK(prepare_nccl(over, step).has_value());
  CHECK(over.models[0].device == "cpu");
  CHECK(variable("NCCL_DEBUG") == "unset");
}

TEST_CASE("over hosts NCCL is refused where nothing encrypts") {
  clean_environment const after;
  start_step step;
  auto must = rank_with("cuda:0");
  must.nccl.spans_hosts = true;
  must.nccl.interface = "lo"; // a plain interface
  CHECK(prepare_nccl(must, step).failure().code == errc::not_permitted);
  CHECK(std::string(step.advice).find("allow_unencrypted_nccl") != std::string::npos);

  must.nccl.interface = {};
  CHECK(prepare_nccl(must, step).failure().code == errc::configuration);
  must.nccl.interface = "no-such-interface";
  CHECK_FALSE(prepare_nccl(must, step).has_value());
}

TEST_CASE("over hosts the operator's word lets NCCL speak in clear, over the interface that he names alone") {
  clean_environment const after;
  start_step step;
  auto node = rank_with("cuda");
  node.nccl = {{}, "lo", true, true};
  REQUIRE(prepare_nccl(node, step).has_value());
  CHECK(variable("NCCL_SOCKET_IFNAME") == "=lo");
  CHECK(variable("NCCL_NET") == "Socket");
  CHECK(variable("NCCL_IB_DISABLE") == "1");
}
