// A worker whose model is split: rank 0 driven by the test, the other rank on its own thread.
#include "actors/worker/model_runner.hpp"
#include "actors/worker/rank_messages.hpp"
#include "actors/worker/shard_thread.hpp"
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"
#include "tests/actors/answers.hpp"
#include "tests/actors/scripted_engine.hpp"
#include "tests/gpu/core/collective/plain_channel.hpp"

#include <catch2/catch.hpp>
#include <numeric>

using namespace mayfly;
using namespace mayfly::actors;
using namespace mayfly::testing;
using messages::finish_reason;

namespace {

constexpr node_id first_node{1}, second_node{2};

gpu::engine_options options_of(std::uint32_t context_tokens) {
  gpu::engine_options options;
  options.model = std::string(MAYFLY_TEST_MODELS) + "/tiny-default-5.8M-q8_0.gguf";
  options.context_tokens = context_tokens;
  options.threads = 1;
  return options;
}

std::atomic<int> ended_processes{0};
void end_process() { ++ended_processes; }

gpu::device_choice const processors{gpu::device_kind::cpu};
gpu::device_choice const devices{gpu::device_kind::cuda, 0, MAYFLY_TEST_PLUGINS "/emulated.so",
                                 MAYFLY_FAKE_NCCL};

worker_model first_rank(gpu::device_choice const& device) {
  auto const lead = std::make_shared<group_lead>(2);
  auto options = options_of(256);
  options.device = device;
  options.part = {0, 2, lead->seat(), lead};
  auto engine = gpu::engine::load(options);
  REQUIRE(engine.has_value());
  worker_model model;
  model.model = named("scripted");
  model.engine = std::move(*engine);
  model.language = std::make_shared<byte_language>();
  model.group = lead;
  model.end_process = end_process;
  return model;
}

shard_model second_rank(std::uint32_t context_tokens, gpu::device_choice const& device = processors) {
  auto const place = std::make_shared<gpu::seat>(1, 2);
  place->ends_process_by(end_process);
  auto options = options_of(context_tokens);
  options.device = device;
  options.part = {1, 2, place, nullptr};
  auto engine = gpu::shard_engine::load(options);
  REQUIRE(engine.has_value());
  return {named("scripted"), std::move(*engine), place};
}

/// Its device fails as the group ends.
class failing_shard final : public gpu::shard_engine {
public:
  explicit failing_shard(std::unique_ptr<gpu::shard_engine> real) : real_(std::move(real)) {}
  result<void> step(gpu::step_batch const& batch) override { return real_->step(batch); }
  result<void> wipe(std::span<std::uint32_t const> blocks, gpu::wipe_extent extent) override {
    return real_->wipe(blocks, extent);
  }
  result<void> forget() override {
    (void)real_->forget();
    return error{errc::backend_failed, "as the test says", 0};
  }
  gpu::engine_figures figures() const noexcept override { return real_->figures(); }
  std::size_t kv_block_bytes() const noexcept override { return real_->kv_block_bytes(); }
  literal backend_name() const noexcept override { return real_->backend_name(); }

private:
  std::unique_ptr<gpu::shard_engine> real_;
};

struct group_bench {
  explicit group_bench(std::uint32_t second_context_tokens = 256,
                       gpu::device_choice const& first = processors,
                       gpu::device_choice const& second = processors)
      : lead(std::make_unique<model_runner>(first_rank(first), first_node, outbox)) {
    outbox.joined(retention);
    shard_outbox.joined(retention);
    seat_second([&](auto const&) { return second_rank(second_context_tokens, second); });
  }

  /// `change` makes the model of the other rank out of the usual one.
  void seat_second(std::function<shard_model(shard_model)> const& change) {
    wished = 0;
    shard = std::make_unique<shard_thread>(
        change(second_rank(256)), second_node, shard_outbox, pulse,
        [this](name const&, std::uint64_t after, auto const&) { wished = after + 1; });
    CHECK(eventually([&] { return wished == 1; }));
  }

  /// Both get their places; rank 0 says what became of it.
  result<void> form(std::uint64_t epoch) {
    auto offers = make_offers(epoch);
    shard->form(std::make_shared<group_offer>(std::move(offers[1])));
    return runner.form_group(std::move(offers[0]));
  }

  std::vector<group_offer> make_offers(std::uint64_t epoch) const {
    auto const memory = gpu::shared_memory::segment::create(2, 4096);
    REQUIRE(memory.has_value());
    int ends[2] = {-1, -1};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    std::vector<group_offer> offers(2);
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      auto mapped = gpu::shared_memory::segment::map(memory->descriptor());
      REQUIRE(mapped.has_value());
      auto made = gpu::make_shared_memory_collective(std::move(*mapped), {rank, 1000ms, {}});
      REQUIRE(made.has_value());
      offers[rank].epoch = epoch;
      offers[rank].model = named("scripted");
      offers[rank].nodes = {first_node, second_node};
      offers[rank].carrier = named("shared_memory");
      offers[rank].collective = std::move(*made);
      offers[rank].channels.push_back(std::make_unique<gpu::testing::plain_channel>(ends[rank]));
    }
    return offers;
  }

  void infer(std::uint32_t max_tokens, std::chrono::milliseconds time_left = 60s) {
    auto asked = completion("scripted", "hello", max_tokens);
    asked.request = request;
    asked.credit = 1000;
    asked.time_left = time_left;
    runner.infer(gateway, std::make_shared<messages::infer const>(std::move(asked)), boot_clock::now());
  }
  void run() {
    while (runner.has_work()) runner.step(boot_clock::now());
  }
  messages::admission admission(std::size_t index = 0) const {
    return *gateway->all<messages::admission>().at(index);
  }
  messages::finished finished() const {
    auto const all = gateway->all<messages::finished>();
    REQUIRE(all.size() == 1);
    return *all[0];
  }
  /// What the second rank itself told retention, within a while.
  std::shared_ptr<messages::holder_wiped const> own_report() const {
    auto const report = retention->wait<messages::holder_wiped>();
    if (report != nullptr) CHECK(report->holder == second_node);
    return report;
  }

  request_id request{{101}, 7};
  std::shared_ptr<recording_peer> gateway = make_peer(100, only(role::gateway));
  std::shared_ptr<recording_peer> retention = make_peer(101, only(role::retention));
  std::shared_ptr<engine_pulse> pulse = std::make_shared<engine_pulse>();
  std::atomic<std::uint64_t> wished{0}; ///< the last epoch that the shard left, and one
  retention_outbox outbox, shard_outbox;
  std::unique_ptr<model_runner> lead;
  model_runner& runner = *lead;
  std::unique_ptr<shard_thread> shard;
};

} // namespace

TEST_CASE("a group's ranks are named as holders at admission, and with their bytes at the end") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(20);
  CHECK(bench.admission().code == 0);
  CHECK(bench.admission().ranks == std::vector{second_node});
  bench.runner.step(boot_clock::now());
  CHECK(bench.pulse->open == 1);
  bench.run();
  auto const finished = bench.finished();
  CHECK(finished.reason == finish_reason::length);
  REQUIRE(finished.ranks.size() == 1);
  CHECK(finished.ranks[0].rank == second_node);
  CHECK(finished.ranks[0].bytes > 0);
  CHECK(eventually([&] { return bench.pulse->open == 0; }));
  CHECK(bench.shard->report().formed);
  CHECK(bench.retention->size() == 0); // the gateway tells it
}

TEST_CASE("before its group is formed a worker admits nothing, and says that it is not ready") {
  group_bench bench;
  CHECK_FALSE(bench.runner.load().ready);
  bench.infer(4);
  CHECK(bench.admission().code == static_cast<std::uint16_t>(errc::no_worker));
  REQUIRE(bench.form(1).has_value());
  CHECK(bench.runner.load().ready);
}

TEST_CASE("ranks whose KV caches differ form no group") {
  group_bench bench(128);
  auto const formed = bench.form(1);
  REQUIRE_FALSE(formed.has_value());
  CHECK(formed.failure().code == errc::configuration);
  CHECK(formed.failure().number == 1);
  CHECK_FALSE(bench.runner.load().ready);
  CHECK(eventually([&] { return bench.wished == 2; }));
}

TEST_CASE("ranks on CUDA devices meet there in every epoch, and say so") {
  group_bench bench(256, devices, devices);
  for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
    REQUIRE(bench.form(epoch).has_value());
    CHECK(bench.runner.rank().carrier == nccl_carrier());
    CHECK(eventually([&] { return bench.shard->report().carrier == nccl_carrier(); }));
    bench.infer(3);
    bench.run();
    auto const all = bench.gateway->all<messages::finished>();
    REQUIRE(all.size() == epoch);
    CHECK(all.back()->reason == finish_reason::length);
    CHECK(all.back()->ranks.size() == 1);
    bench.runner.leave_group(boot_clock::now());
    CHECK(eventually([&] { return bench.wished == epoch + 1; }));
  }
}

TEST_CASE("a rank on a CUDA device forms no group with one on processors") {
  bool const first_has_it = GENERATE(true, false);
  group_bench bench(256, first_has_it ? devices : processors, first_has_it ? processors : devices);
  auto const formed = bench.form(1);
  REQUIRE_FALSE(formed.has_value());
  CHECK(formed.failure().code == errc::configuration);
  CHECK(eventually([&] { return bench.wished == 2; }));
}

TEST_CASE("what a group that fails on its devices leaves is erased by its processes' end, and not reported") {
  ended_processes = 0;
  group_bench bench(256, devices, devices);
  REQUIRE(bench.form(1).has_value());
  CHECK_FALSE(bench.runner.leaves_traces());
  SECTION("amid a request") {
    bench.infer(50);
    bench.runner.step(boot_clock::now());
    CHECK(bench.runner.leaves_traces());
    bench.shard->leave(1);
    CHECK(eventually([&] { return bench.wished == 2; }));
    CHECK(ended_processes == 1);
    CHECK(bench.retention->size() == 0);
    bench.runner.end_process();
    CHECK(ended_processes == 2);
    CHECK(bench.gateway->all<messages::finished>().empty());
  }
  SECTION("once all is erased there is nothing left") {
    bench.infer(3);
    bench.run();
    CHECK(bench.finished().reason == finish_reason::length);
    CHECK(eventually([&] { return !bench.runner.leaves_traces(); }));
    bench.shard->leave(1);
    CHECK(eventually([&] { return bench.wished == 2; }));
    CHECK(ended_processes == 0);
  }
}

TEST_CASE("a rank whose device fails to wipe as the group ends, ends its process, and reports nothing") {
  ended_processes = 0;
  group_bench bench;
  bench.seat_second([](shard_model model) {
    model.engine = std::make_unique<failing_shard>(std::move(model.engine));
    return model;
  });
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  bench.shard->leave(1);
  CHECK(eventually([&] { return bench.wished == 2; }));
  CHECK(ended_processes == 1);
  CHECK(bench.retention->size() == 0);
}

TEST_CASE("rank 0 that ends while the ranks meet on their devices is not waited for") {
  group_bench bench(256, devices, devices);
  auto offers = bench.make_offers(1);
  bench.shard->form(std::make_shared<group_offer>(std::move(offers[1])));
  auto& channel = *offers[0].channels.front(); // the test is rank 0, and does not meet
  auto const until = boot_clock::now() + 10s;
  REQUIRE(expect_from_rank<messages::rank_shape>(channel, until)->on_device);
  ephemeral_bytes meeting(std::vector<std::byte>(128, std::byte{1}));
  REQUIRE(send_to_rank(channel, messages::rank_meeting{std::move(meeting)}, until).has_value());
  offers[0].channels.clear();
  CHECK(eventually([&] { return bench.wished == 2; }));
  CHECK(boot_clock::now() < until);
}

TEST_CASE("when the other rank goes its requests fail as lost, and the next group serves") {
  group_bench bench;
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    REQUIRE(bench.form(epoch).has_value());
    bench.infer(50);
    bench.runner.step(boot_clock::now());
    bench.shard->leave(epoch);
    bench.run();
    auto const all = bench.gateway->all<messages::finished>();
    REQUIRE(all.size() == epoch);
    CHECK(all.back()->reason == finish_reason::failed);
    CHECK(all.back()->code == static_cast<std::uint16_t>(errc::worker_lost));
    CHECK(all.back()->ranks.empty());
    CHECK(bench.runner.group_lost());
    bench.runner.leave_group(boot_clock::now());
    auto const report = bench.retention->wait<messages::holder_wiped>(epoch);
    REQUIRE(report != nullptr);
    CHECK(report->holder == second_node);
    CHECK(report->request == bench.request);
    CHECK(report->choice == messages::every_choice);
    CHECK(report->bytes > 0);
    CHECK(eventually([&] { return bench.wished == epoch + 1; }));
  }
}

TEST_CASE("a rank whose group is lost is never told that it is released of what it must report itself") {
  group_bench bench;
  auto offers = bench.make_offers(1);
  auto& channel = *offers[1].channels.front(); // the test is the other rank
  auto const until = boot_clock::now() + 10s;
  auto const model = second_rank(256);
  auto const figures = model.engine->figures();
  messages::rank_shape const shape{figures.model_fingerprint, figures.kv_blocks, figures.kv_block_tokens,
                                   figures.step_tokens, model.engine->kv_block_bytes()};
  REQUIRE(send_to_rank(channel, shape, until).has_value());
  REQUIRE(bench.runner.form_group(std::move(offers[0])).has_value());
  bench.infer(50);
  REQUIRE(expect_from_rank<messages::rank_holds>(channel, until).has_value());
  offers[1].collective->abort();
  bench.run();
  CHECK(bench.finished().code == static_cast<std::uint16_t>(errc::worker_lost));
  CHECK(bench.finished().ranks.empty());
  for (;;) {
    auto const word = receive_from_rank(channel, boot_clock::now());
    if (!word) break;
    CHECK_FALSE(wire::payload_of<messages::rank_released>(*word).has_value());
  }
}

TEST_CASE("when rank 0 leaves a group that stands, the other rank has wiped and wants another") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  bench.runner.leave_group(boot_clock::now());
  CHECK(bench.finished().ranks.size() == 1);
  CHECK(eventually([&] { return bench.wished == 2; }));
  CHECK(bench.pulse->open == 0);
  CHECK(bench.retention->size() == 0);
}

TEST_CASE("when rank 0 dies amid a request the other rank wipes, reports and wants another group") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  bench.lead.reset();
  CHECK(bench.own_report() != nullptr);
  CHECK(eventually([&] { return bench.wished == 2; }));
  CHECK(bench.pulse->open == 0);
}

TEST_CASE("a rank whose rank 0 hangs past a request's lease wipes by its own clock") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50, 200ms);
  bench.runner.step(boot_clock::now()); // and never again
  auto const report = bench.own_report();
  REQUIRE(report != nullptr);
  CHECK(report->request == bench.request);
}

TEST_CASE("a rank that retention forces leaves its group where rank 0 does not end the request") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  CHECK_FALSE(bench.shard->force({{101}, 99}));
  CHECK(bench.shard->force(bench.request));
  SECTION("rank 0 hangs") { CHECK(bench.own_report() != nullptr); }
  SECTION("rank 0 ends it in time, and the group stands") {
    bench.runner.cancel(bench.request, wipe_report::both, boot_clock::now());
    CHECK(eventually([&] { return bench.pulse->open == 0; }));
    auto const reports = bench.retention->all<messages::holder_wiped>();
    REQUIRE(reports.size() == 2);
    CHECK(reports[0]->holder == first_node);
    CHECK(reports[1]->holder == second_node);
    CHECK(bench.shard->report().formed);
    CHECK_FALSE(bench.runner.group_lost());
  }
}

TEST_CASE("a rank that is asked what it holds of an answer that is over stays in its group") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  CHECK_FALSE(bench.shard->force({{101}, 99}, true));
  CHECK(bench.shard->force(bench.request, true));
  std::this_thread::sleep_for(800ms); // longer than it waits for rank 0 where a lease is at its end
  CHECK(bench.shard->report().formed);
  bench.runner.cancel(bench.request, wipe_report::both, boot_clock::now());
  CHECK(eventually([&] { return !bench.shard->force(bench.request, true); }));
  CHECK_FALSE(bench.runner.group_lost());
}

TEST_CASE("a gateway that is lost has the wipes of every rank reported") {
  group_bench bench;
  REQUIRE(bench.form(1).has_value());
  bench.infer(50);
  bench.runner.step(boot_clock::now());
  bench.runner.gateway_lost(bench.gateway->node(), boot_clock::now());
  auto const reports = bench.retention->all<messages::holder_wiped>();
  REQUIRE(reports.size() == 2);
  CHECK(reports[0]->holder == first_node);
  CHECK(reports[1]->holder == second_node);
  CHECK(reports[1]->bytes > 0);
}
