#pragma once
// What the retention actor does; retention.cpp only dispatches.
#include "actors/peer_table.hpp"
#include "actors/retention/receipt_ledger.hpp"
#include "actors/retention/retention.hpp"

namespace mayfly::actors {

class retention_state {
public:
  static constexpr char const* name = "retention";

  /// `commit_soon` is called once a batch: it must lead to `commit` after what is queued already.
  void init(retention_options options, receipt_ledger ledger, std::function<void()> commit_soon);

  void open(cluster::peer_ref const& from, messages::lease_opening const& opening);
  void registered(messages::holder_registered const& holder);
  void wiped(messages::holder_wiped const& report);
  void closing(messages::lease_closing const& closing);
  void query(cluster::peer_ref const& from, messages::receipt_query const& asked);
  void joined(cluster::peer_joined const& joined);
  void left(node_id node) { peers_.left(node); }
  void exited(cluster::process_exited const& exited);
  void tick();
  /// Makes the batch last and sends what waited for that.
  void commit();

private:
  struct waiting_query {
    cluster::peer_ref from;
    messages::receipt_query asked;
    deadline until;
  };
  struct waiting_opening {
    cluster::peer_ref from;
    request_id request;
  };
  void recover();
  void issue(lease_table::receipts bodies);
  void ask(std::vector<lease_table::silence> const& silent, bool over);
  void batch_begun();
  messages::bytes32 pseudonym(account_id account) const;
  messages::receipt_answer answer_to(messages::receipt_query const& asked);
  void answer_waiting(deadline now);
  void report_figures();

  retention_options options_;
  std::optional<receipt_ledger> ledger_;
  std::function<void()> commit_soon_;
  bool batch_open_ = false;
  lease_table leases_;
  peer_table peers_;
  std::vector<waiting_opening> openings_;
  std::vector<waiting_query> queries_;
  std::uint64_t closed_ = 0;
  deadline report_due_{};
};

} // namespace mayfly::actors
