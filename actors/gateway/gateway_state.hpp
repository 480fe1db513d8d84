#pragma once
// What the gateway's actor does; gateway.cpp only dispatches.
#include "actors/gateway/gateway.hpp"
#include "actors/gateway/receipt_search.hpp"
#include "actors/peer_table.hpp"
#include "actors/retention_outbox.hpp"

#include <map>
#include <unordered_map>

namespace mayfly::actors {

class gateway_state : public run_port {
public:
  static constexpr char const* name = "gateway";

  void init(gateway_options options);

  void run(submit const& asked);
  void taken(chunks_taken const& taken);
  void abandoned(request_id request);
  void over(answer_over const& over);
  void end_all();
  void find(find_receipt const& asked);

  void placed(node_id scheduler, messages::placement const& placement);
  void admitted(node_id worker, messages::admission const& admission);
  void chunk(node_id worker, std::shared_ptr<messages::output_chunk const> const& chunk);
  void finish(node_id worker, messages::finished const& finished);
  void reported(messages::worker_report const& report);
  void opened(messages::lease_opened const& opened);
  void forced(request_id request);
  void receipt(node_id retention, messages::receipt_answer const& answer);
  void drain(bool draining);
  void joined(cluster::peer_joined const& joined);
  void left(node_id node);
  void tick();

  // run_port
  bool open_lease(messages::lease_opening opening) override;
  bool register_holder(messages::holder_registered holder) override;
  void forget_holder(messages::holder_registered holder) override;
  bool ask_placement(messages::placement_request request) override;
  bool sees_worker(mayfly::name const& model, std::span<node_id const> tried) const override;
  void release_placement(messages::placement_release release) override;
  bool ask_worker(node_id worker, messages::infer infer) override;
  void grant(node_id worker, messages::credit credit) override;
  void cancel(node_id worker, messages::cancel cancel) override;

private:
  /// Which peers serve one request, for as long as they are linked.
  struct entry {
    std::unique_ptr<generation_run> run;
    node_id retention;
    std::map<node_id, node_id> scheduler_of; ///< worker -> the scheduler that placed there
    bool counted = false;                    ///< its end is in the counters
  };
  entry* entry_of(request_id request);
  cluster::peer_ref retention_of(entry& of);
  void after(entry& of);
  void publish() const;
  void count_open() const;
  void report_figures();

  gateway_options options_;
  peer_table peers_;
  retention_outbox outbox_;
  receipt_search receipts_;
  std::unordered_map<request_id, entry> entries_;
  std::map<node_id, messages::worker_report> workers_;
  messages::gateway_report figures_;
  std::size_t turn_ = 0;
  deadline report_due_{};
};

} // namespace mayfly::actors
