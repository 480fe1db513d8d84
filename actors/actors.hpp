#pragma once
// Every actor of the roles, a comment per message. How they find each other: cluster/actors.hpp
// (`subscribe`). Messages between roles are one way and carry the request's id; each role keeps its own
// deadlines by `tick`.
#include "cluster/actors.hpp"
#include "protocol/base/clock.hpp"

#include <string>
#include <variant>

namespace mayfly::actors {

using cluster::received;

// --- between an ingress session and the gateway
// ---------------------------------------------------------------

/// All choices of the request are admitted (or the only ones that will be).
struct answer_started {
  std::uint32_t prompt_tokens = 0;
};
/// A choice ended; its text is complete.
struct choice_finished {
  std::uint32_t choice = 0;
  messages::finish_reason reason = messages::finish_reason::none;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
};
/// The request failed; nothing follows. `failure.number` is the context limit for context_length_exceeded,
/// seconds to wait for overloaded.
struct answer_failed {
  error failure;
};
/// Every choice finished and every worker's share is wiped; nothing follows.
struct answer_complete {};

using answer_event = std::variant<answer_started, std::shared_ptr<messages::output_chunk const>,
                                  choice_finished, answer_failed, answer_complete>;

/// An ingress session's ear. Called from the gateway's thread: must queue and return. Released (and its
/// content wiped) after the last event.
class answer_sink {
public:
  virtual ~answer_sink() = default;
  virtual void deliver(answer_event event) = 0;
};

/// A validated request: one `infer` a choice, complete but for node-specific fields (credit, time_left,
/// choice order are set; the gateway clones it for each worker it tries). Content.
struct generation {
  request_id request;
  account_id account;
  messages::retention_policy policy = messages::retention_policy::none;
  deadline ends_at{};
  std::vector<messages::infer> choices;
  bool streams =
      true; ///< else nothing reaches the client before the end: the request can be replayed until then
  std::uint32_t estimated_prompt_tokens = 0;
  std::shared_ptr<answer_sink> sink;
};

/// Session -> gateway: run it. The holder moves out of `request` exactly once.
struct submit {
  std::shared_ptr<generation> request;
};
/// Session -> gateway: the socket took chunks of a choice.
struct chunks_taken {
  request_id request;
  std::uint32_t choice = 0;
  std::uint32_t chunks = 0;
};
/// Session -> gateway: the client left. Cancels on every worker.
struct abandon {
  request_id request;
};
/// Session -> gateway: the last byte is acknowledged (or the client left) and the session's buffers are
/// wiped.
struct answer_over {
  request_id request;
  std::uint64_t wiped_bytes = 0;
  std::uint16_t status = 0; ///< HTTP, for the request log
};

/// Node -> gateway: its process ends; what still runs fails now, so that clients are told.
struct end_answers {};

/// An ingress session's ear for a receipt.
class receipt_sink {
public:
  virtual ~receipt_sink() = default;
  virtual void deliver(messages::receipt_answer answer) = 0;
  /// No retention peer could be heard: whether there is such a receipt is not known.
  virtual void unreachable() = 0;
};
/// Session -> gateway: a receipt, from whichever retention peer holds it.
struct find_receipt {
  request_id request;
  account_id account;
  std::shared_ptr<receipt_sink> sink;
};

using gateway_actor = caf::typed_actor<
    caf::reacts_to<submit>, caf::reacts_to<chunks_taken>, caf::reacts_to<abandon>,
    caf::reacts_to<answer_over>, caf::reacts_to<end_answers>, caf::reacts_to<find_receipt>,
    /// Scheduler: where a request goes.
    caf::reacts_to<received<messages::placement>>,
    /// Workers: taken or refused; text; ended and wiped.
    caf::reacts_to<received<messages::admission>>, caf::reacts_to<received<messages::output_chunk>>,
    caf::reacts_to<received<messages::finished>>,
    /// Workers' reports: which models are served, for /v1/models and readiness.
    caf::reacts_to<received<messages::worker_report>>,
    /// Retention: a lease is open; a lease ran out; a receipt.
    caf::reacts_to<received<messages::lease_opened>>, caf::reacts_to<received<messages::lease_forced>>,
    caf::reacts_to<received<messages::receipt_answer>>,
    /// Operations: take nothing new.
    caf::reacts_to<received<messages::drain_order>>,
    /// Peers come and go; a worker's loss replays or fails what ran there.
    caf::reacts_to<cluster::peer_joined>, caf::reacts_to<cluster::peer_left>,
    caf::reacts_to<cluster::process_exited>,
    /// Deadlines, and the report to operations.
    caf::reacts_to<cluster::tick>>;

/// scheduler: places requests on workers by metadata alone; all state is rebuilt from reports.
using scheduler_actor = caf::typed_actor<
    /// Answered with a `placement`.
    caf::reacts_to<received<messages::placement_request>>,
    /// A placed request ended: its share of the worker's load is free.
    caf::reacts_to<received<messages::placement_release>>,
    /// A worker's load.
    caf::reacts_to<received<messages::worker_report>>, caf::reacts_to<cluster::peer_joined>,
    caf::reacts_to<cluster::peer_left>, caf::reacts_to<cluster::process_exited>,
    /// Forgets workers that fell silent.
    caf::reacts_to<cluster::tick>>;

/// What a rank's node made of the descriptors of a new epoch (actors/worker/group_offer.hpp).
struct group_offer;

/// Node -> rank: its place in a group of ranks. Moved out of `offer` exactly once.
struct take_seat {
  std::shared_ptr<group_offer> offer;
};
/// Node -> rank: the group of this epoch has ended, as its supervisor knows.
struct leave_group {
  name model;
  std::uint64_t epoch = 0;
};

/// gpu_worker: admits, runs and wipes requests on the engine of its node; rank 0 where a model is split.
using gpu_worker_actor = caf::typed_actor<
    /// Answered with `admission`, then `output_chunk`s as credit allows, then `finished`.
    caf::reacts_to<received<messages::infer>>, caf::reacts_to<received<messages::credit>>,
    /// Ends all choices of a request; each answers `finished`.
    caf::reacts_to<received<messages::cancel>>, caf::reacts_to<received<messages::lease_forced>>,
    caf::reacts_to<received<messages::drain_order>>,
    /// Groups of ranks come and go.
    caf::reacts_to<take_seat>, caf::reacts_to<leave_group>,
    /// A gateway that is gone: what it asked for is cancelled and wiped, and reported to a retention peer.
    caf::reacts_to<cluster::peer_joined>, caf::reacts_to<cluster::peer_left>,
    caf::reacts_to<cluster::process_exited>,
    /// Deadlines of leases; the report to every scheduler, gateway and operations peer.
    caf::reacts_to<cluster::tick>>;

/// shard: a rank of a group beside the first. The plans of rank 0 reach it over a channel of their own, on a
/// thread of their own.
using shard_actor = caf::typed_actor<
    /// Groups of ranks come and go.
    caf::reacts_to<take_seat>, caf::reacts_to<leave_group>,
    /// A lease ran out: rank 0 has a moment to end the request here, then the group ends.
    caf::reacts_to<received<messages::lease_forced>>,
    /// Retention peers, for what a lost group held; operations, for the reports.
    caf::reacts_to<cluster::peer_joined>, caf::reacts_to<cluster::peer_left>,
    caf::reacts_to<cluster::process_exited>, caf::reacts_to<cluster::tick>>;

/// retention: holds a lease on every request's content and signs its deletion receipt.
using retention_actor = caf::typed_actor<
    /// Appends the opening record, answers `lease_opened`.
    caf::reacts_to<received<messages::lease_opening>>, caf::reacts_to<received<messages::holder_registered>>,
    caf::reacts_to<received<messages::holder_wiped>>, caf::reacts_to<received<messages::lease_closing>>,
    /// Answered with `receipt_answer`, at once or when the lease closes within the asker's patience.
    caf::reacts_to<received<messages::receipt_query>>,
    /// A holder's process that ended is a holder no more; one that merely left may still hold.
    caf::reacts_to<cluster::peer_joined>, caf::reacts_to<cluster::peer_left>,
    caf::reacts_to<cluster::process_exited>,
    /// Forces leases past their deadline; the report to operations.
    caf::reacts_to<cluster::tick>>;

/// One worker as people see it.
struct node_status {
  messages::member member;
  bool linked = false;
  std::chrono::milliseconds lost_for{0}; ///< since it was linked last; 0 where it is
  std::optional<messages::worker_report> worker;
  std::vector<messages::rank_report> ranks; ///< of tensor-parallel groups, by model
  std::optional<messages::gateway_report> gateway;
  std::optional<messages::retention_report> retention;
};
struct cluster_status {
  std::vector<node_status> nodes;
  double decode_tokens_per_second = 0; ///< over the last five seconds
  double prefill_tokens_per_second = 0;
};
/// Command line, console, metrics -> operations.
struct status_query {};

/// operations: what the command line, the metrics and later the console read and order.
using operations_actor = caf::typed_actor<
    caf::replies_to<status_query>::with<std::shared_ptr<cluster_status const>>,
    caf::reacts_to<received<messages::worker_report>>, caf::reacts_to<received<messages::rank_report>>,
    caf::reacts_to<received<messages::gateway_report>>, caf::reacts_to<received<messages::retention_report>>,
    caf::reacts_to<cluster::peer_joined>, caf::reacts_to<cluster::peer_left>,
    caf::reacts_to<cluster::process_exited>, caf::reacts_to<cluster::tick>>;

} // namespace mayfly::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::submit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::chunks_taken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::abandon)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::answer_over)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::end_answers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::find_receipt)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::take_seat)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::leave_group)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::status_query)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<mayfly::actors::cluster_status const>)
