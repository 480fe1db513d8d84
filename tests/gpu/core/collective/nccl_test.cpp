#include "contract.hpp"
#include "fake_nccl_group.hpp"

#include "gpu/collective/nccl/network_policy.hpp"

using namespace mayfly;
using namespace mayfly::gpu;
using namespace mayfly::gpu::testing;

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds short_patience{100};
constexpr milliseconds bound{5000}; // far beyond what a short patience may lead to, far below for ever

int open_communicators() { return fake_control<int()>("fake_nccl_open_communicators")(); }
int residue() { return fake_control<int()>("fake_nccl_residue")(); }

bool all_end_within(milliseconds time) {
  auto const until = steady::now() + time;
  while (open_communicators() != 0)
    if (steady::now() > until) return false;
  return true;
}

result<std::unique_ptr<collective>> alone(milliseconds patience) {
  return make_nccl_collective(fake_api(), options_for(0, 1, *nccl::make_unique_id(fake_api()), patience));
}

} // namespace

TEST_CASE("a NCCL group that does not form is given up, and left to nobody") {
  auto const began = steady::now();
  SECTION("it hangs") {
    bad_mood const mood(misbehaviour::forming_hangs);
    CHECK(alone(short_patience).failure().code == errc::deadline_exceeded);
  }
  SECTION("the very call hangs") {
    bad_mood const mood(misbehaviour::forming_blocks);
    CHECK(alone(short_patience).failure().code == errc::deadline_exceeded);
  }
  SECTION("it refuses") {
    bad_mood const mood(misbehaviour::forming_fails);
    auto const made = alone(short_patience);
    CHECK(made.failure().code == errc::backend_failed);
    CHECK(made.failure().number == 3);
  }
  SECTION("a rank does not come") {
    auto const id = *nccl::make_unique_id(fake_api());
    CHECK(make_nccl_collective(fake_api(), options_for(0, 2, id, short_patience)).failure().code ==
          errc::deadline_exceeded);
  }
  CHECK(steady::now() - began < bound);
  CHECK(all_end_within(bound));
}

TEST_CASE("a NCCL operation that hangs, blocks or fails fails the group within the deadline") {
  auto const how =
      GENERATE(misbehaviour::operation_hangs, misbehaviour::operation_blocks, misbehaviour::operation_fails,
               misbehaviour::group_breaks, misbehaviour::abort_blocks);
  auto const began = steady::now();
  {
    float number = 1;
    auto own = std::move(*alone(short_patience));
    own->all_reduce(&number, 1);
    REQUIRE(settled(*own) == collective_state::ok);
    bad_mood const mood(how);
    own->all_reduce(&number, 1);
    if (how == misbehaviour::abort_blocks) own->abort();
    while (own->poll() != collective_state::failed && steady::now() - began < bound)
      std::this_thread::yield();
    REQUIRE(own->poll() == collective_state::failed);
    CHECK(own->failure().failure().code == errc::worker_lost);
    CHECK(own->failure().failure().number == (how == misbehaviour::abort_blocks ? 0 : -1));
    own->all_reduce(&number, 1); // does nothing
    own->scrub();
    own.reset();
    if (how == misbehaviour::abort_blocks) CHECK(steady::now() - began >= 2 * short_patience); // left behind
  }
  CHECK(steady::now() - began < bound);
  CHECK(all_end_within(bound));
}

TEST_CASE("NCCL connects with its first operations, which have the time of forming") {
  auto const formed = [](milliseconds forming) {
    bad_mood const mood(misbehaviour::operation_is_slow); // 50 ms each
    auto options = options_for(0, 1, *nccl::make_unique_id(fake_api()), milliseconds(5));
    options.forming = forming;
    options.stream.marks_done = nullptr; // nothing shows that it goes on
    return make_nccl_collective(fake_api(), options);
  };
  CHECK(formed(milliseconds(20)).failure().code == errc::backend_failed);
  auto const made = formed(patient);
  REQUIRE(made.has_value());
  float number = 1;
  bad_mood const mood(misbehaviour::operation_is_slow);
  (*made)->all_reduce(&number, 1);
  CHECK(settled(**made) == collective_state::failed); // and after that the patience
}

TEST_CASE("a NCCL group that does not connect is given up") {
  bad_mood const mood(misbehaviour::operation_hangs);
  auto options = options_for(0, 1, *nccl::make_unique_id(fake_api()), milliseconds(60'000));
  auto const until = steady::now() + short_patience;
  options.given_up = [until] { return steady::now() > until; };
  CHECK(make_nccl_collective(fake_api(), options).failure().code == errc::cancelled);
  CHECK(all_end_within(bound));
}

TEST_CASE("operations that are slow, and not stuck, fail no group however many wait in the stream") {
  auto own = std::move(*alone(short_patience));
  bad_mood const mood(misbehaviour::operation_is_slow); // half the patience each
  float numbers[8] = {};
  for (auto& number : numbers) own->all_reduce(&number, 1);
  CHECK(settled(*own) == collective_state::ok);
}

TEST_CASE("who waits for a device learns that NCCL hangs even when it is aborted") {
  std::atomic<int> heard{0};
  auto options = options_for(0, 1, *nccl::make_unique_id(fake_api()), short_patience);
  options.on_hang = [&heard] { ++heard; };
  {
    auto own = std::move(*make_nccl_collective(fake_api(), options));
    SECTION("it does not") {
      own->abort();
      own.reset();
      CHECK(all_end_within(bound));
      std::this_thread::sleep_for(3 * short_patience);
      CHECK(heard == 0);
    }
    SECTION("it does") {
      bad_mood const mood(misbehaviour::abort_blocks);
      own->abort();
      auto const until = steady::now() + bound;
      while (heard == 0 && steady::now() < until) std::this_thread::yield();
      CHECK(heard == 1);
      own.reset();
    }
  }
  CHECK(all_end_within(bound));
}

TEST_CASE("the end of a NCCL group never hangs") {
  auto const began = steady::now();
  {
    float number = 1;
    auto own = std::move(*alone(short_patience));
    bad_mood const mood(misbehaviour::end_hangs);
    SECTION("after nothing") {}
    SECTION("after an operation") { own->all_reduce(&number, 1); }
    own.reset();
    CHECK(steady::now() - began >= short_patience); // it did hang
  }
  CHECK(steady::now() - began < bound);
  CHECK(all_end_within(bound));
}

TEST_CASE("scrubbing sends zeros wherever numbers went through NCCL") {
  fake_control<void()>("fake_nccl_forget")();
  auto const ranks = GENERATE(1U, 3U);
  auto const formed = fake_nccl_group(ranks, patient);
  std::vector<std::size_t> const widths(ranks, 11);
  CHECK(on_all(formed, [&](collective& own) {
    std::vector<float> data(50'000, 42.0F);
    std::vector<float> out(2 * 11 * std::size_t{ranks});
    for (std::size_t const count : {1U, 5U, 6U, 7U, 2048U, 50'000U}) own.all_reduce(data.data(), count);
    own.gather_columns(data.data(), 2, widths, out.data());
    return settled(own) == collective_state::ok;
  }));
  CHECK(residue() > 0);
  CHECK(on_all(formed, [](collective& own) {
    own.scrub();
    return settled(own) == collective_state::ok;
  }));
  CHECK(residue() == 0);
}

TEST_CASE("what cannot be a NCCL group is refused") {
  CHECK_FALSE(nccl::load("/nowhere/libnccl.so.2"));
  CHECK(nccl::load("libc.so.6").failure().code == errc::configuration);
  auto const refusal = [](auto change) {
    auto options = options_for(0, 1, {}, short_patience);
    change(options);
    return make_nccl_collective(fake_api(), options).failure().code;
  };
  CHECK(refusal([](nccl_options& of) { of.rank = 1; }) == errc::invalid_request);
  CHECK(refusal([](nccl_options& of) { of.zeros = {}; }) == errc::invalid_request);
  CHECK(refusal([](nccl_options& of) { of.stream.is_idle = nullptr; }) == errc::invalid_request);
}

TEST_CASE(
    "NCCL between hosts is refused over an interface that does not encrypt, unless the operator says so") {
  nccl::network_request request{true, "eth0", "", false};
  CHECK(nccl::environment_for(request).failure().code == errc::not_permitted);
  request.interface_kind = "vlan";
  CHECK(nccl::environment_for(request).failure().code == errc::not_permitted);
  for (auto const* const encrypted : {"wireguard", "xfrm"}) {
    request.interface_kind = encrypted;
    CHECK(nccl::environment_for(request));
  }
  request.interface_kind = "";
  request.allow_unencrypted_nccl = true;
  CHECK(nccl::environment_for(request));
  for (auto const* const no_name : {"", "eth", "eth0,eth1", "^lo", "=eth0"}) {
    request.interface = no_name;
    CHECK(nccl::environment_for(request).has_value() == (request.interface == "eth"));
  }
}

TEST_CASE("a rank's environment pins NCCL to its interface, keeps it off InfiniBand and quiet") {
  using setting = std::pair<std::string, std::string>;
  auto const made = *nccl::environment_for({true, "wg0", "wireguard", false});
  for (auto const& expected : {setting{"NCCL_SOCKET_IFNAME", "=wg0"}, setting{"NCCL_NET", "Socket"},
                               setting{"NCCL_IB_DISABLE", "1"}, setting{"NCCL_NET_PLUGIN", "none"},
                               setting{"NCCL_DEBUG", "NONE"}, setting{"NCCL_DEBUG_FILE", "/dev/null"},
                               setting{"NCCL_CONF_FILE", "/dev/null"}, setting{"NCCL_RAS_ENABLE", "0"},
                               setting{"NCCL_RUNTIME_CONNECT", "0"}, setting{"NCCL_MNNVL_ENABLE", "0"}})
    CHECK(std::ranges::count(made, expected) == 1);
  auto const within = *nccl::environment_for({false, "", "", false});
  CHECK(std::ranges::count(within, setting{"NCCL_SOCKET_IFNAME", "=lo"}) == 1);
}

TEST_CASE("the kernel says what an interface is") {
  auto const loopback = nccl::kind_of_interface("lo");
  REQUIRE(loopback);
  CHECK(loopback->empty());
  CHECK(nccl::kind_of_interface("no-such-thing").failure().code == errc::not_found);
}
