#pragma once
// The thread of a rank beside the first: waits for a group, follows rank 0 through it, and when the group
// ends wipes all, says so for every request that it held, and asks for the next.
#include "actors/retention_outbox.hpp"
#include "actors/worker/group_offer.hpp"
#include "actors/worker/worker_watch.hpp"
#include "gpu/group.hpp"
#include "protocol/messages/group.hpp"
#include "protocol/msgpack/envelope.hpp"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace mayfly::actors {

/// One model's share at this rank.
struct shard_model {
  name model;
  std::unique_ptr<gpu::shard_engine> engine;
  std::shared_ptr<gpu::seat> seat;
  bool allow_unencrypted_nccl = false; ///< the operator's setting, for the reports
};

/// Which requests a rank holds content of, and until when. Pure.
class rank_holdings {
public:
  void hold(messages::rank_holds const& word, deadline now);
  void release(request_id request) { held_.erase(request); }
  bool holds(request_id request) const { return held_.contains(request); }
  std::size_t size() const noexcept { return held_.size(); }
  /// A request whose lease here ran out, though rank 0 has not released it.
  std::optional<request_id> overdue(deadline now) const;
  /// All of them are wiped: what retention is told. `block_bytes` and `block_tokens` are the cache's.
  std::vector<messages::holder_wiped> forget(node_id self, std::size_t block_bytes,
                                             std::uint32_t block_tokens, std::int64_t now_unix_ms);

private:
  struct holding {
    std::uint32_t prompt_tokens = 0;
    deadline ends_at{};
  };
  std::map<request_id, holding> held_;
};

class shard_thread {
public:
  /// `outbox` outlives the thread. `wants` is asked for a group whenever there is none.
  shard_thread(shard_model model, node_id self, retention_outbox& outbox, std::shared_ptr<engine_pulse> pulse,
               want_group wants);
  /// Leaves the group and wipes, without reports: the node's links are closing.
  ~shard_thread();
  shard_thread(shard_thread const&) = delete;
  shard_thread& operator=(shard_thread const&) = delete;

  // Thread-safe, and none of them waits for a step.
  void form(std::shared_ptr<group_offer> offer);
  void leave(std::uint64_t epoch);
  /// Retention asks for a request's end: rank 0 has a moment to order it, then the group ends. False: this
  /// rank holds nothing of it. `over`: the answer is, so rank 0's order is on its way, and the group stays.
  bool force(request_id request, bool over = false);
  /// What this rank says of its group, without what is the process's.
  messages::rank_report report() const;

private:
  void loop();
  /// False: the end.
  bool await_group();
  void follow();
  bool meet_on_device();
  bool take_next(deadline until);
  result<void> obey(wire::envelope_view const& order);
  result<void> compute(messages::step_plan plan);
  result<void> settle(messages::settle_order const& order);
  void note(messages::rank_holds const& word);
  void note(messages::rank_released const& word);
  bool must_leave(deadline now);
  void hear_last_words();
  void part();

  shard_model model_;
  node_id const self_;
  retention_outbox* const outbox_;
  std::shared_ptr<engine_pulse> const pulse_;
  want_group const wants_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::shared_ptr<group_offer> offer_;    ///< of a group that is not joined yet
  std::uint64_t ended_epoch_ = 0;         ///< as others noticed
  std::map<request_id, deadline> forced_; ///< with the moment that rank 0 has left
  rank_holdings holdings_;
  messages::rank_report report_;

  std::unique_ptr<secure_channel> leader_; ///< the thread's own
  std::thread thread_;
};

} // namespace mayfly::actors
