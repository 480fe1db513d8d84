// NCCL as gpu/collective/nccl uses it, on one GPU: a group of one rank sums, and two ranks on one GPU, which
// NCCL refuses, fail within the deadline.
//
//   check_group LIBNCCL
#include "gpu/check/device_material.hpp"
#include "gpu/check/findings.hpp"
#include "gpu/check/machine.hpp"
#include "gpu/collective/nccl/nccl_collective.hpp"
#include "gpu/collective/nccl/network_policy.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>

namespace mayfly::gpu::check {
namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience = 15s; // NCCL looks at the whole machine when it first forms a group
constexpr std::size_t most_floats = 1U << 16U;

nccl_options options_for(backend& device, floats const& zeros, std::uint32_t rank, std::uint32_t size,
                         nccl::unique_id const& id) {
  must(device.synchronize(), "the device");
  nccl_options options;
  options.rank = rank;
  options.size = size;
  options.id = id;
  options.patience = patience;
  options.stream = device.stream();
  options.zeros = {zeros.get(), zeros.count()};
  return options;
}

collective_state settled(collective& group) {
  auto const until = steady::now() + patience;
  auto state = group.poll();
  while (state == collective_state::in_progress && steady::now() < until) {
    std::this_thread::sleep_for(1ms);
    state = group.poll();
  }
  return state;
}

void check_one(nccl::functions const& api) {
  auto const device = open_backend();
  if (device == nullptr) throw std::runtime_error("no device");
  auto const id = nccl::make_unique_id(api);
  if (!id) throw std::runtime_error("NCCL makes no id");
  floats const zeros(*device, most_floats);
  std::vector<float> const values{1.5F, -2.0F, 3.25F, 4.0F};
  floats const data(*device, values);
  auto const start = steady::now();
  auto group = make_nccl_collective(api, options_for(*device, zeros, 0, 1, *id));
  auto const took = std::chrono::duration<double, std::milli>(steady::now() - start).count();
  tell_held("nccl", "one rank forms a group", group.has_value(), took, "ms");
  if (!group) return;
  (*group)->all_reduce(data.get(), data.count());
  tell_held("nccl", "one rank's sum is what it gave",
            settled(**group) == collective_state::ok && data.read() == values);
  (*group)->scrub();
  tell_held("nccl", "erasing ends well", settled(**group) == collective_state::ok);
}

void check_two(nccl::functions const& api) {
  auto const id = nccl::make_unique_id(api);
  if (!id) throw std::runtime_error("NCCL makes no id");
  std::array<bool, 2> formed{true, true};
  auto const start = steady::now();
  std::vector<std::thread> ranks;
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      auto const device = open_backend();
      if (device == nullptr) return;
      floats const zeros(*device, most_floats);
      formed[rank] = make_nccl_collective(api, options_for(*device, zeros, rank, 2, *id)).has_value();
    });
  }
  for (auto& each : ranks) each.join();
  auto const took = std::chrono::duration<double, std::milli>(steady::now() - start).count();
  bool const in_time = took < 3 * std::chrono::duration<double, std::milli>(patience).count();
  tell_held("nccl", "two ranks on one GPU fail within the deadline", !formed[0] && !formed[1] && in_time,
            took, "ms");
}

int run(char const* library) {
  auto const environment = nccl::environment_for({});
  if (!environment) throw std::runtime_error("no environment for NCCL");
  for (auto const& [name, value] : *environment) ::setenv(name.c_str(), value.c_str(), 1);
  auto const api = nccl::load(library);
  if (!api) throw std::runtime_error("NCCL cannot be loaded from there, or lacks a function");
  check_one(*api);
  check_two(*api);
  return outcome();
}

} // namespace
} // namespace mayfly::gpu::check

int main(int count, char** arguments) try {
  if (count != 2) return std::fputs("usage: check_group LIBNCCL\n", stderr), 2;
  return mayfly::gpu::check::run(arguments[1]);
} catch (std::exception const& failure) {
  return std::fprintf(stderr, "check_group: %s\n", failure.what()), 1;
}
