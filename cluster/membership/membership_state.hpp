#pragma once
// What membership knows and does; membership.cpp makes an actor of it.
#include "cluster/membership/membership.hpp"

#include <map>
#include <optional>

namespace mayfly::cluster {

class membership_state {
public:
  static inline char const* const name = "membership";

  void start(caf::actor_system& system, std::shared_ptr<transport> links, membership_options options);
  ~membership_state();

  void announced(received<messages::announcement> const& word);
  void viewed(received<messages::member_view> const& word);
  void told(local_view const& word);
  void withdrawn(trust_withdrawn const& news);
  void add(subscribe const& wish);
  void up(link_up const& news);
  void down(link_down const& news);
  void beat();

private:
  struct linked {
    peer_ref peer;
    link_direction direction;
    std::optional<boot_clock::time_point> stranger_since = {}; ///< nobody names it since then
  };
  struct dialler {
    dial_target target;
    peer_link_actor actor;
  };
  bool believes(peer const& from, messages::announcement const& word) const;
  bool is_seed_key(messages::bytes32 const& key) const;
  bool linked_with(messages::bytes32 const& key, link_direction direction) const;
  messages::member member_of(peer const& one) const;
  void apply(table_change const& change);
  void reconcile();
  std::map<messages::bytes32, dial_target> targets() const;
  void keep_diallers(std::map<messages::bytes32, dial_target> const& wanted);
  void show_view(peer const& to) const;
  void push_view() const;
  void announce_self();
  void drop_strangers(boot_clock::time_point now);
  template <class Event>
  void tell(Event const& event) const;

  caf::actor_system* system_ = nullptr;
  std::shared_ptr<transport> links_;
  membership_options options_;
  member_table table_;
  std::map<node_id, linked> linked_;
  std::map<messages::bytes32, dialler> diallers_;
  std::vector<caf::actor> subscribers_;
  boot_clock::time_point next_announcement_{};
  boot_clock::time_point no_strangers_until_{};
  bool knows_own_host_ = false; ///< the supervisor's word is in, or there is none
};

} // namespace mayfly::cluster
