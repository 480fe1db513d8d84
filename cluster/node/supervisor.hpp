#pragma once
// Runs a cluster's processes on one machine and never holds content: starts them, watches them by pidfd and
// by their beats, restarts them with back-off, kills one that is frozen, tells each whom to trust, keeps
// cluster.json true, and answers the command line.
#include "cluster/node/child_plan.hpp"
#include "cluster/node/child_process.hpp"
#include "cluster/node/child_record.hpp"
#include "cluster/node/cluster_file.hpp"
#include "cluster/node/command_socket.hpp"
#include "cluster/node/host_links.hpp"
#include "cluster/node/key_directory.hpp"
#include "cluster/node/rank_connector.hpp"
#include "cluster/node/rank_group.hpp"
#include "cluster/node/restart_policy.hpp"
#include "cluster/node/start_step.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace mayfly::cluster {
class announcer;
}

namespace mayfly::node {

class supervisor {
public:
  explicit supervisor(cluster_configuration configuration);
  ~supervisor();

  /// Runs until SIGTERM, SIGINT or `stop` on the command socket; then drains and ends every child. Errors:
  /// configuration, io, not_permitted, untrusted: the cluster could not be started; `refusal` says why.
  result<void> run();

  /// What the first child said that refused to start before the cluster had ever been whole, or why there was
  /// no child at all; else empty.
  std::string const& refusal() const noexcept { return refusal_; }

private:
  /// A process to keep running, and its present incarnation.
  struct slot {
    child_plan plan;
    std::unique_ptr<child_process> process;
    messages::member member;
    bool ready = false;
    bool serves = false; ///< a gateway: all that requests need is linked
    bool told_to_end = false;
    bool refused = false; ///< its last start ended with a refusal
    std::uint16_t http_port = 0;
    std::uint16_t admin_port = 0;
    deadline last_beat{};
    deadline started{};
    deadline start_due{};
    restart_policy restarts;
    std::uint32_t restart_count = 0;
  };

  result<void> prepare(start_step& step);
  result<void> prepare_keys();
  result<void> prepare_state_directory();
  result<void> prepare_certificate();
  std::filesystem::path self_signed_chain() const;
  std::filesystem::path self_signed_key() const;
  result<void> start_announcer();
  void finish();
  void loop();
  void wait_for_events();
  void tick();
  void excuse_own_absence(deadline now);
  void check_keys();
  void take_remote_view();

  void start(slot& child);
  node_configuration configure(slot const& child, crypto::link_key keys) const;
  name listen_address(child_plan const& plan) const;
  name cluster_key_name() const;
  void ended(slot& child, child_exit exit);
  void read_control(slot& child);
  void handle(slot& child, control_frame const& frame);
  void became_ready(slot& child, control_frame const& frame);
  void took_beat(slot& child, control_frame const& frame);
  bool is_ready() const;
  void start_refused(slot& child, control_frame const& frame);
  void kill_frozen(slot& child);
  void record_children() const;

  // supervisor_groups.cpp
  void take_wish(slot const& child, control_frame const& frame);
  void rank_ended(slot const& child);
  void form_groups();
  result<void> offer_seats(std::uint32_t group, name const& model, std::uint64_t epoch);
  std::vector<slot*> ranks_of(std::uint32_t group);

  // supervisor_rank_hosts.cpp: groups that span hosts
  /// What this host knows of a model's group.
  struct spanning_group {
    std::set<std::uint32_t> wanting;                   ///< ranks of this host that have no place
    std::map<std::size_t, std::vector<node_id>> nodes; ///< at the first host: the others' ranks
    std::uint64_t epoch = 0;                           ///< of the last call to meet
    bool meeting = false;                              ///< its sockets are being connected
    bool seated = false;                               ///< its ranks got their places
  };
  bool spans_hosts() const noexcept { return configuration_.ranks_over_hosts.spans_hosts(); }
  bool leads_hosts() const noexcept { return own_host_ == 0; }
  result<void> meet_rank_hosts(start_step& step);
  void take_spanning_wish(slot const& child, group_wish const& wish);
  void spanning_rank_ended(slot const& child);
  rank_group& group_of(name const& model);
  void part_from(name const& model, spanning_group& group);
  void tell_hosts(messages::ranks_part const& word);
  void follow_hosts();
  bool all_want(spanning_group const& group) const;
  void take_host_event(host_event& event);
  void lose_host(std::size_t host);
  void host_waits(std::size_t host, messages::ranks_wait const& word);
  void host_parts(std::size_t host, messages::ranks_part const& word);
  void host_calls(std::size_t host, messages::ranks_meet meeting);
  void call_hosts(name const& model, std::uint64_t epoch);
  void seat_ranks(rank_connection& met);
  void seat_rank(slot& rank, messages::ranks_meet const& meeting,
                 std::vector<owned_descriptor> const& descriptors);

  messages::member_view local_view() const;
  std::vector<messages::bytes32> trusted_keys() const;
  void tell_everyone();
  void write_file();

  void serve(command_socket::ticket client, std::string const& line);
  void serve_status(command_socket::ticket client);
  void pass_status(control_frame const& frame);
  void answer_without_operations();
  std::string processes_json() const;
  std::string seeds_json() const;
  void watch_seeds();
  void begin_stop();
  void end_children();
  bool all_ended() const;

  cluster_configuration configuration_;
  key_directory keys_;
  node_id id_;
  child_record record_;
  crypto::link_key own_keys_;
  crypto::link_key seed_keys_; ///< of the child that other hosts dial
  std::string receipt_key_;    ///< public, hexadecimal
  ephemeral_bytes receipt_seed_;
  ephemeral_bytes pseudonym_key_;
  ephemeral_text api_key_;
  std::string refusal_;
  bool was_whole_ = false; ///< every child has been ready at the same time
  std::vector<slot> children_;
  std::map<std::pair<std::uint32_t, name>, rank_group> groups_; ///< by worker and model
  std::size_t own_host_ = 0;                                    ///< of those that ranks span
  std::unique_ptr<host_links> host_links_;
  std::unique_ptr<rank_connector> connector_;
  std::map<name, spanning_group> spanning_; ///< by model
  deadline waits_due_{};
  std::vector<messages::exited_member> exited_;
  messages::member_view remote_view_;
  std::mutex heard_mutex_;
  std::optional<messages::member_view> heard_; ///< by the announcer's thread, not yet taken
  std::uint64_t epoch_ = 0;
  std::unique_ptr<command_socket> commands_;
  std::unique_ptr<cluster::announcer> announcer_;
  deadline seeds_seen_{};     ///< when a seed was linked last, or the search for one began
  bool seeds_missed_ = false; ///< and the operator was told that none is
  std::map<std::uint64_t, command_socket::ticket> status_queries_;
  std::uint64_t next_query_ = 1;
  std::vector<trusted_key> trusted_;
  deadline next_key_check_{};
  deadline last_tick_ = boot_clock::now();
  int signals_ = -1;
  bool stopping_ = false;
  deadline stop_by_{};
};

} // namespace mayfly::node
