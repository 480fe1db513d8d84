#pragma once
// The thread that owns a model: commands in, engine steps as long as there is work.
#include "actors/worker/model_runner.hpp"
#include "actors/worker/worker_watch.hpp"

#include <condition_variable>
#include <thread>
#include <variant>

namespace mayfly::actors {

struct infer_command {
  cluster::peer_ref from;
  std::shared_ptr<messages::infer const> request;
};
struct cancel_command {
  request_id request;
  wipe_report report;
  /// Engines that have not taken this command yet, where retention asked: the last one says that this worker
  /// holds nothing of the request, for its `infer` may never have arrived.
  std::shared_ptr<std::atomic<std::size_t>> asked;
};
struct gateway_lost_command {
  node_id gateway;
};
struct tick_command {};
/// Moved out of `offer` once.
struct form_command {
  std::shared_ptr<group_offer> offer;
};
/// The group of this epoch has ended, as others noticed.
struct leave_command {
  std::uint64_t epoch = 0;
};
using engine_command = std::variant<infer_command, messages::credit, cancel_command, gateway_lost_command,
                                    tick_command, form_command, leave_command>;

/// Commands are taken between steps, in the order of their posting: a cancel waits one step at most.
/// Destruction ends the thread and wipes what ran, without reports: the node's links are closing.
class engine_thread {
public:
  /// `wants`: asked for a group whenever there is none; unused by a model of one rank.
  engine_thread(worker_model model, node_id self, retention_outbox& outbox,
                std::shared_ptr<engine_pulse> pulse, want_group wants = {});
  ~engine_thread();
  engine_thread(engine_thread const&) = delete;
  engine_thread& operator=(engine_thread const&) = delete;

  /// Thread-safe; never waits for a step.
  void post(engine_command command);
  /// As of the last turn. Thread-safe.
  messages::model_load load() const;
  /// What this rank says of its group, without what is the process's; `ranks` is 0 for a model of one rank.
  messages::rank_report rank() const;

private:
  void loop();
  /// Waits for commands unless there is work; false: the end.
  bool take_commands(std::vector<engine_command>& commands);
  void turn(std::vector<engine_command>& commands);
  void run(engine_command& command);
  void form(group_offer offer);
  void watch_group(deadline now);
  void leave_group(deadline now);
  void ask_for_group();
  void publish();

  model_runner runner_;
  want_group wants_;
  std::shared_ptr<engine_pulse> pulse_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<engine_command> commands_;
  bool stopping_ = false;
  messages::model_load load_;
  messages::rank_report rank_;
  bool dirty_ = false; ///< ran since the last scrub; the thread's own
  std::thread thread_;
};

} // namespace mayfly::actors
