#pragma once
// Nodes of a cluster within one process: a router each, and peers that hand parcels over as envelopes. All
// that is missing is ZeroMQ.
#include "actors/gateway/gateway.hpp"
#include "actors/retention/memory_receipt_store.hpp"
#include "actors/retention/retention.hpp"
#include "actors/scheduler/scheduler.hpp"
#include "actors/worker/worker.hpp"
#include "cluster/local_peer.hpp"
#include "tests/actors/answers.hpp"
#include "tests/actors/scripted_engine.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <functional>
#include <map>

namespace mayfly::testing {

struct process_node {
  messages::member member;
  cluster::router routes;
  cluster::peer_ref self; ///< to itself
  std::vector<caf::actor> actors;
  std::map<node_id, cluster::peer_ref> peers; ///< to the others
  std::atomic<bool> mute{false};              ///< what it says is lost
};

/// The way from one node to another. Both nodes outlive what is sent.
class relay_peer final : public cluster::peer {
public:
  relay_peer(process_node& from, process_node& to)
      : peer(to.member.node, to.member.roles), from_(from), to_(to) {}
  void deliver(cluster::parcel message) const override {
    if (from_.mute || to_.mute) return;
    auto const envelope = message.encode(from_.member.node, to_.member.node);
    auto const way_back = to_.peers.find(from_.member.node);
    static_cast<void>(to_.routes.deliver(way_back->second, envelope.reveal()).has_value());
  }

private:
  process_node& from_;
  process_node& to_;
};

class process_cluster {
public:
  process_cluster() : system_(config_) {}
  ~process_cluster() {
    for (auto const& node : nodes_)
      for (auto const& actor : node->actors) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    system_.await_all_actors_done(); // before the nodes go, which peers point into
  }

  /// Gateway, scheduler and retention in one node.
  process_node& add_front(std::function<void(actors::gateway_options&)> const& change = {}) {
    auto& node = add_node(100, only(role::gateway) | only(role::scheduler) | only(role::retention));
    actors::gateway_options gateway;
    gateway.self = node.member.node;
    gateway.view = view;
    if (change) change(gateway);
    actors::retention_options retention;
    retention.self = node.member.node;
    retention.store = store;
    retention.receipt_seed = ephemeral_bytes::zeros(32);
    retention.pseudonym_key = ephemeral_bytes::zeros(32);
    ask = actors::spawn_gateway(system_, std::move(gateway));
    host(node, ask);
    host(node, actors::spawn_scheduler(system_));
    host(node, *actors::spawn_retention(system_, std::move(retention)));
    return node;
  }

  process_node& add_worker(std::uint64_t id, actors::worker_model model) {
    auto& node = add_node(id, only(role::worker));
    actors::worker_options options;
    options.self = node.member.node;
    options.models.push_back(std::move(model));
    host(node, actors::spawn_worker(system_, std::move(options)));
    return node;
  }

  /// Everybody hears of everybody. Call once, when all nodes stand.
  void link() {
    for (auto const& from : nodes_)
      for (auto const& to : nodes_)
        from->peers[to->member.node] = from == to ? from->self : std::make_shared<relay_peer>(*from, *to);
    for (auto const& node : nodes_)
      for (auto const& [id, peer] : node->peers)
        for (auto const& actor : node->actors)
          caf::anon_send(actor, cluster::peer_joined{peer, member_of(id)});
  }

  void front_hears(auto const& message) { tell_all(*nodes_.front(), message); }
  void tell_all(process_node& node, auto const& message) {
    for (auto const& actor : node.actors) caf::anon_send(actor, message);
  }

  std::shared_ptr<recording_sink> submit(request_id request, messages::infer const& prototype,
                                         std::uint32_t choices = 1) {
    auto sink = std::make_shared<recording_sink>();
    auto asked = std::make_shared<actors::generation>(generation_of(request, prototype, sink, choices));
    caf::anon_send(ask, actors::submit{std::move(asked)});
    return sink;
  }
  void over(request_id request) { caf::anon_send(ask, actors::answer_over{request, 3000, 200}); }
  request_id new_request() const { return request_id::make(view->read()->retention); }

  std::shared_ptr<actors::gateway_view> view = std::make_shared<actors::gateway_view>();
  std::shared_ptr<actors::memory_receipt_store> store = std::make_shared<actors::memory_receipt_store>();
  actors::gateway_actor ask;

private:
  process_node& add_node(std::uint64_t id, messages::role_set roles) {
    auto& node = *nodes_.emplace_back(std::make_unique<process_node>());
    node.member.node = node_id{id};
    node.member.roles = roles;
    node.self = std::make_shared<cluster::local_peer>(node.routes, node.member);
    return node;
  }
  template <class Handle>
  void host(process_node& node, Handle const& actor) {
    actors::register_routes(node.routes, actor);
    node.actors.push_back(caf::actor_cast<caf::actor>(actor));
  }
  messages::member member_of(node_id id) const {
    for (auto const& node : nodes_)
      if (node->member.node == id) return node->member;
    return {};
  }

  caf::actor_system_config config_;
  std::vector<std::unique_ptr<process_node>> nodes_;
  caf::actor_system system_;
};

} // namespace mayfly::testing
