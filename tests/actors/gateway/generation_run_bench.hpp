#pragma once
// A run with its surroundings, and time in the test's hands.
#include "actors/gateway/generation_run.hpp"
#include "tests/actors/answers.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::testing {

using namespace actors;
using namespace std::chrono_literals;

inline constexpr node_id worker_a{1}, worker_b{2}, worker_c{3};

/// Keeps what a run asks for; any kind of peer may be missing.
struct port_record final : run_port {
  bool open_lease(messages::lease_opening opening) override {
    if (retention_there) openings.push_back(opening);
    return retention_there;
  }
  bool register_holder(messages::holder_registered holder) override {
    if (retention_there) order.push_back('h'), holders.push_back(holder);
    return retention_there;
  }
  void forget_holder(messages::holder_registered holder) override { forgotten.push_back(holder.holder); }
  bool ask_placement(messages::placement_request request) override {
    if (scheduler_there) placements.push_back(std::move(request));
    return scheduler_there;
  }
  bool sees_worker(name const&, std::span<node_id const> tried) const override {
    return reporting && std::find(tried.begin(), tried.end(), reporting) == tried.end();
  }
  void release_placement(messages::placement_release release) override { releases.push_back(release.worker); }
  bool ask_worker(node_id worker, messages::infer infer) override {
    if (std::find(gone.begin(), gone.end(), worker) != gone.end()) return false;
    order.push_back('i');
    infers.emplace_back(worker, std::move(infer));
    return true;
  }
  void grant(node_id worker, messages::credit credit) override { grants.emplace_back(worker, credit); }
  void cancel(node_id worker, messages::cancel) override { cancels.push_back(worker); }

  bool retention_there = true, scheduler_there = true;
  node_id reporting{}; ///< a worker that the gateway hears, if any
  std::vector<node_id> gone;
  std::vector<messages::lease_opening> openings;
  std::vector<messages::holder_registered> holders;
  std::vector<messages::placement_request> placements;
  std::vector<node_id> releases, cancels, forgotten;
  std::vector<std::pair<node_id, messages::infer>> infers;
  std::vector<std::pair<node_id, messages::credit>> grants;
  std::string order;
};

/// A run with its surroundings, time in its hands.
struct run_bench {
  explicit run_bench(std::uint32_t choices = 1, bool started = true, bool streams = true) {
    auto asked = generation_of(id, completion("tiny", "hello", 8), sink, choices);
    asked.ends_at = now + 60s;
    asked.streams = streams;
    run.emplace(std::move(asked), run_limits{}, port, node_id{100}, now);
    if (started) run->start(now);
  }
  void lease(errc code = errc::ok) { run->on_lease_opened({id, static_cast<std::uint16_t>(code)}, now); }
  void place(node_id worker) { run->on_placement({id, worker, 0}, now); }
  void no_place(errc code) { run->on_placement({id, {}, static_cast<std::uint16_t>(code)}, now); }
  void admit(node_id worker, std::uint32_t choice = 0) {
    run->on_admission(worker, {id, choice, 0, 0, 5}, now);
  }
  void refuse(node_id worker, errc code, std::uint32_t choice = 0, std::uint32_t limit = 0) {
    run->on_admission(worker, {id, choice, static_cast<std::uint16_t>(code), limit, 0}, now);
  }
  void chunk(node_id worker, std::uint32_t sequence, std::uint32_t choice = 0) {
    messages::output_chunk text;
    text.request = id;
    text.choice = choice;
    text.sequence = sequence;
    text.tokens = 1;
    text.text = ephemeral_text("x");
    run->on_chunk(worker, std::make_shared<messages::output_chunk const>(std::move(text)), now);
  }
  void finish(node_id worker, messages::finish_reason reason = messages::finish_reason::stop,
              std::uint32_t choice = 0, errc code = errc::ok) {
    messages::finished done;
    done.request = id;
    done.choice = choice;
    done.reason = reason;
    done.code = static_cast<std::uint16_t>(code);
    done.completion_tokens = 3;
    run->on_finished(worker, done, now);
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    run->on_tick(now);
  }
  errc failure() const { return sink->failure() ? sink->failure()->code : errc::ok; }

  deadline now{std::chrono::hours(1)};
  request_id id{{100}, 7};
  port_record port;
  std::shared_ptr<recording_sink> sink = std::make_shared<recording_sink>();
  std::optional<generation_run> run;
};

} // namespace mayfly::testing
