#pragma once
// What the gpu_worker actor does; worker.cpp only dispatches.
#include "actors/peer_table.hpp"
#include "actors/worker/engine_thread.hpp"
#include "actors/worker/worker.hpp"

#include <map>

namespace mayfly::actors {

class worker_state {
public:
  static constexpr char const* name = "gpu_worker";

  void init(worker_options options);

  void infer(received<messages::infer> const& got);
  void credit(messages::credit const& credit) { post_all(credit); }
  void cancel(request_id request) { post_all(cancel_command{request, wipe_report::gateway, nullptr}); }
  void forced(request_id request) {
    auto asked = std::make_shared<std::atomic<std::size_t>>(engines_.size());
    post_all(cancel_command{request, wipe_report::both, std::move(asked)});
  }
  void drain(bool draining) { draining_ = draining; }
  void take_seat(std::shared_ptr<group_offer> const& offer);
  void leave(leave_group const& word);
  void joined(cluster::peer_joined const& joined);
  void left(node_id node);
  void tick();

private:
  /// A request's model is not known here: every engine passes over what it does not run.
  template <class Command>
  void post_all(Command const& command) {
    for (auto const& [model, engine] : engines_) engine->post(command);
  }
  messages::worker_report report() const;
  void report_ranks() const;

  worker_options options_;
  mayfly::name backend_;
  bool draining_ = false;
  peer_table peers_;
  std::unique_ptr<retention_outbox> outbox_; ///< outlives the engines
  std::map<mayfly::name, std::unique_ptr<engine_thread>> engines_;
  deadline report_due_{};
};

} // namespace mayfly::actors
