#include "cluster/membership/announcer.hpp"
#include "cluster/node_links.hpp"
#include "tests/cluster/link_harness.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <set>
#include <thread>

using namespace mayfly;
using namespace mayfly::test;
using messages::role;

namespace {

struct news {
  std::map<node_id, peer_joined> joined;
  std::vector<node_id> left;
  std::vector<node_id> exited;
  std::vector<node_id> credits; ///< senders of credit messages
};

/// A role's actor that writes down what it is told.
caf::behavior role_actor(caf::event_based_actor*, std::shared_ptr<watched<news>> log) {
  return {
      [log](peer_joined const& one) { log->change([&](news& all) { all.joined[one.peer->node()] = one; }); },
      [log](peer_left const& one) { log->change([&](news& all) { all.left.push_back(one.node); }); },
      [log](process_exited const& one) { log->change([&](news& all) { all.exited.push_back(one.node); }); },
      [log](received<messages::credit> const& one) {
        log->change([&](news& all) { all.credits.push_back(one.from->node()); });
      },
  };
}

struct small_system {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  small_system() {
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", 2);
    system = std::make_unique<caf::actor_system>(config);
  }
};

/// One node of a cluster inside the test: façade, router, and one role that listens.
class cluster_node {
public:
  crypto::link_key key = crypto::link_key::generate();
  messages::member self;
  router routes;
  std::shared_ptr<watched<news>> log = std::make_shared<watched<news>>();
  std::unique_ptr<node_links> links;

  cluster_node(std::uint64_t node, role what, node_id supervisor = {}) {
    self.node = {node};
    self.roles = static_cast<messages::role_set>(what);
    self.public_key = key.public_key;
    self.supervisor = supervisor;
  }
  ~cluster_node() {
    if (links) links->stop();
    if (actor_) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  }
  void start(caf::actor_system& system, std::vector<messages::bytes32> trusted,
             std::vector<seed_address> seeds = {}, bool is_seed = false) {
    actor_ = system.spawn(role_actor, log);
    routes.route<messages::credit>(actor_);
    node_links_options options;
    options.self = self;
    options.secret_key = key.secret.clone();
    options.bind = *name::parse("tcp://127.0.0.1:*");
    options.trusted = std::move(trusted);
    options.seeds = std::move(seeds);
    options.is_seed = is_seed;
    auto made = node_links::start(system, routes, std::move(options));
    REQUIRE(made);
    links = std::move(*made);
    self = links->self();
    caf::anon_send(links->membership(), subscribe{actor_});
  }
  seed_address address() const { return {self.endpoint, key.public_key}; }
  bool joined(cluster_node const& other) {
    return log->wait([&](news const& all) { return all.joined.contains(other.self.node); });
  }
  bool heard_exit(cluster_node const& other) {
    return log->wait([&](news const& all) {
      return std::find(all.exited.begin(), all.exited.end(), other.self.node) != all.exited.end();
    });
  }
  bool left(cluster_node const& other) {
    return log->wait([&](news const& all) {
      return std::find(all.left.begin(), all.left.end(), other.self.node) != all.left.end();
    });
  }

private:
  caf::actor actor_;
};

/// What the node's one timer thread does.
class ticker {
public:
  explicit ticker(std::vector<cluster_node*> nodes) : nodes_(std::move(nodes)), thread_([this] { run(); }) {}
  ~ticker() {
    ended_.change([](bool& value) { value = true; });
    thread_.join();
  }

private:
  void run() {
    while (!ended_.wait([](bool value) { return value; }, 20ms))
      for (auto* const one : nodes_) caf::anon_send(one->links->membership(), tick{});
  }
  std::vector<cluster_node*> nodes_;
  watched<bool> ended_;
  std::thread thread_;
};

messages::member_view view_of(std::vector<messages::member> members,
                              std::vector<messages::exited_member> exited = {}) {
  return {1, std::move(members), std::move(exited)};
}

constexpr node_id supervisor_id{1000};

/// A supervisor's voice towards one seed.
std::unique_ptr<announcer> start_voice(node_id supervisor, crypto::link_key const& key, seed_address seed,
                                       std::function<void(messages::member_view const&)> on_view,
                                       std::chrono::milliseconds interval = announcer_options().interval) {
  announcer_options options;
  options.supervisor = supervisor;
  options.public_key = key.public_key;
  options.secret_key = key.secret.clone();
  options.seeds = {seed};
  options.interval = interval;
  options.on_view = std::move(on_view);
  auto made = announcer::start(std::move(options));
  REQUIRE(made);
  return std::move(*made);
}

/// A gateway and a scheduler and a worker under one supervisor, none a seed.
struct three_nodes {
  small_system caf;
  cluster_node gateway{1, role::gateway, supervisor_id};
  cluster_node scheduler{2, role::scheduler, supervisor_id};
  cluster_node worker{3, role::worker, supervisor_id};
  three_nodes() {
    for (auto* const one : {&gateway, &scheduler, &worker})
      one->start(*caf.system, {gateway.key.public_key, scheduler.key.public_key, worker.key.public_key});
    tell_all({});
  }
  void tell_all(std::vector<messages::exited_member> exited) {
    for (auto* const one : {&gateway, &scheduler, &worker})
      one->links->set_local_view(view_of({gateway.self, scheduler.self, worker.self}, exited));
  }
};

} // namespace

TEST_CASE("a node is told of its own process first and once") {
  small_system caf;
  cluster_node one{1, role::gateway};
  one.start(*caf.system, {});
  REQUIRE(one.joined(one));
  auto const self = one.log->read([&](news const& all) { return all.joined.at(one.self.node); });
  CHECK(self.member.endpoint == one.links->self().endpoint);
  self.peer->send(messages::credit{});
  CHECK(one.log->wait([&](news const& all) { return all.credits == std::vector{one.self.node}; }));
}

TEST_CASE("the supervisor's view alone links every pair of nodes that needs a link") {
  three_nodes all;
  CHECK(all.gateway.joined(all.scheduler));
  CHECK(all.gateway.joined(all.worker));
  CHECK(all.scheduler.joined(all.gateway));
  CHECK(all.scheduler.joined(all.worker));
  CHECK(all.worker.joined(all.gateway));
  CHECK(all.worker.joined(all.scheduler));
}

TEST_CASE("a message to a peer reaches the role at the other node, with its sender") {
  three_nodes all;
  REQUIRE(all.gateway.joined(all.worker));
  auto const joined = all.gateway.log->read([&](news const& n) { return n.joined.at(all.worker.self.node); });
  joined.peer->send(messages::credit{});
  CHECK(all.worker.log->wait([&](news const& n) { return n.credits == std::vector{all.gateway.self.node}; }));
}

TEST_CASE("a process that its supervisor reaped is reported to every role, and its link is closed") {
  three_nodes all;
  REQUIRE(all.gateway.joined(all.worker));
  all.tell_all({{all.worker.self.node, 42}});
  CHECK(all.gateway.heard_exit(all.worker));
  CHECK(all.scheduler.heard_exit(all.worker));
  CHECK(all.gateway.left(all.worker));
}

TEST_CASE("a lost link is dialled again") {
  three_nodes all;
  ticker ticks({&all.gateway, &all.scheduler, &all.worker});
  REQUIRE(all.gateway.joined(all.worker));
  REQUIRE(all.worker.joined(all.gateway));
  // The worker throws the gateway out and takes it back.
  all.worker.links->set_trusted(std::vector{all.scheduler.key.public_key});
  REQUIRE(all.gateway.left(all.worker));
  all.gateway.log->change([](news& n) { n.joined.clear(); });
  all.worker.links->set_trusted(std::vector{all.scheduler.key.public_key, all.gateway.key.public_key});
  CHECK(all.gateway.joined(all.worker));
}

TEST_CASE("a seed vouches for the children of a trusted supervisor, and the cluster finds them") {
  small_system caf;
  crypto::link_key supervisor_key = crypto::link_key::generate();
  cluster_node front{1, role::gateway};
  cluster_node worker{2, role::worker, supervisor_id};
  front.start(*caf.system, {supervisor_key.public_key}, {}, true);
  worker.start(*caf.system, {front.key.public_key});
  watched<messages::member_view> heard_view;
  auto const supervisor =
      start_voice(supervisor_id, supervisor_key, front.address(), [&](messages::member_view const& view) {
        heard_view.change([&](messages::member_view& kept) { kept = view; });
      });
  messages::announcement word;
  word.members = {worker.self};
  supervisor->announce(word);

  SECTION("the front dials the worker, which hears of the front") {
    CHECK(front.joined(worker));
    CHECK(worker.joined(front));
  }
  SECTION("the supervisor hears who is in the cluster") {
    CHECK(heard_view.wait([&](auto const& view) { return view.members.size() == 2; }));
  }
  SECTION("an exit that the supervisor announces reaches the roles") {
    REQUIRE(front.joined(worker));
    word.members.clear();
    word.exited = {{worker.self.node, 42}};
    supervisor->announce(word);
    CHECK(front.heard_exit(worker));
    CHECK(front.left(worker));
  }
}

TEST_CASE("a supervisor that is trusted no more takes its children out of the view") {
  small_system caf;
  crypto::link_key first_key = crypto::link_key::generate();
  crypto::link_key second_key = crypto::link_key::generate();
  cluster_node front{1, role::gateway};
  cluster_node worker{2, role::worker, supervisor_id};
  front.start(*caf.system, {first_key.public_key, second_key.public_key}, {}, true);
  worker.start(*caf.system, {front.key.public_key});
  watched<std::size_t> members;
  auto const supervisor_of = [&](node_id id, crypto::link_key const& key) {
    return start_voice(id, key, front.address(), [&](messages::member_view const& view) {
      members.change([&](std::size_t& count) { count = view.members.size(); });
    });
  };
  auto const first = supervisor_of(supervisor_id, first_key);
  auto const second = supervisor_of(node_id{2000}, second_key);
  messages::announcement word;
  word.members = {worker.self};
  first->announce(word);
  REQUIRE(members.wait([](std::size_t count) { return count == 2; }));
  ticker ticks({&front});
  front.links->set_trusted(std::vector{second_key.public_key});
  CHECK(members.wait([](std::size_t count) { return count == 1; }));
}

/// Two hosts: a seed and another node under one supervisor, a worker under another one, whose key the seed's
/// lists.
struct two_hosts {
  static constexpr node_id here{4000};
  small_system caf;
  crypto::link_key other_supervisor = crypto::link_key::generate();
  cluster_node seed{1, role::operations, here};
  cluster_node gateway{2, role::gateway, here};
  cluster_node worker{3, role::worker, supervisor_id};
  watched<std::vector<std::size_t>> heard_members; ///< of each view that the other host hears
  std::unique_ptr<announcer> voice;

  std::vector<messages::bytes32> listed_here() const {
    return {seed.key.public_key, gateway.key.public_key, other_supervisor.public_key};
  }
  two_hosts() {
    seed.start(*caf.system, listed_here(), {}, true);
    gateway.start(*caf.system, listed_here(), {{{}, seed.key.public_key}});
    worker.start(*caf.system, {seed.key.public_key, gateway.key.public_key});
    voice = start_voice(
        supervisor_id, other_supervisor, seed.address(),
        [this](messages::member_view const& view) {
          heard_members.change([&](auto& all) { all.push_back(view.members.size()); });
        },
        20ms);
    messages::announcement word;
    word.members = {worker.self};
    voice->announce(word);
  }
  void supervisor_speaks() {
    for (auto* const one : {&seed, &gateway}) one->links->set_local_view(view_of({seed.self, gateway.self}));
  }
};

TEST_CASE("what a seed is told reaches the nodes beside it, which know its key alone") {
  two_hosts all;
  all.supervisor_speaks();
  CHECK(all.seed.joined(all.worker));
  CHECK(all.gateway.joined(all.worker));
  CHECK(all.worker.joined(all.gateway));
}

TEST_CASE("a supervisor's key that is withdrawn closes its children's links at every node that listed it") {
  two_hosts all;
  all.supervisor_speaks();
  REQUIRE(all.gateway.joined(all.worker));
  REQUIRE(all.seed.joined(all.worker));
  ticker ticks({&all.seed, &all.gateway});
  for (auto* const one : {&all.gateway, &all.seed})
    one->links->set_trusted(std::vector{all.seed.key.public_key, all.gateway.key.public_key});
  CHECK(all.seed.left(all.worker));
  CHECK(all.gateway.left(all.worker));
}

TEST_CASE("a seed shows nobody its view before its own supervisor has told who is beside it") {
  two_hosts all;
  REQUIRE(all.seed.joined(all.worker)); // its announcement was heard, and not yet answered
  all.supervisor_speaks();
  REQUIRE(all.heard_members.wait([](auto const& sizes) { return !sizes.empty(); }));
  CHECK(all.heard_members.read([](auto const& sizes) { return sizes.front(); }) == 3);
}

TEST_CASE("a member that another supervisor claims is not believed") {
  small_system caf;
  crypto::link_key key = crypto::link_key::generate();
  cluster_node front{1, role::gateway};
  cluster_node victim{2, role::worker, node_id{4711}};
  front.start(*caf.system, {key.public_key}, {}, true);
  victim.start(*caf.system, {front.key.public_key});
  watched<int> views;
  auto const supervisor = start_voice(
      supervisor_id, key, front.address(),
      [&](messages::member_view const& view) {
        views.change([&](int& most) { most = std::max(most, static_cast<int>(view.members.size())); });
      },
      20ms);
  messages::member child = victim.self;
  child.node = {3};
  child.supervisor = supervisor_id;
  messages::announcement word;
  word.members = {victim.self}; // not its child
  supervisor->announce(word);
  word.members = {child}; // its own: proof that the first was heard, and left out
  supervisor->announce(word);
  REQUIRE(views.wait([](int most) { return most >= 2; }));
  CHECK(front.log->read([](news const& all) { return !all.joined.contains(node_id{2}); }));
}

TEST_CASE("nodes without a supervisor meet through a seed") {
  small_system caf;
  cluster_node seed{1, role::scheduler};
  cluster_node gateway{2, role::gateway};
  cluster_node retention{3, role::retention};
  seed.start(*caf.system, {gateway.key.public_key, retention.key.public_key}, {}, true);
  gateway.start(*caf.system, {}, {seed.address()});
  retention.start(*caf.system, {}, {seed.address()});
  ticker ticks({&seed, &gateway, &retention});
  CHECK(seed.joined(gateway));
  CHECK(gateway.joined(seed));
  CHECK(gateway.joined(retention));
  CHECK(retention.joined(gateway));
}

TEST_CASE("a seed that starts after the supervisor is found") {
  small_system caf;
  crypto::link_key key = crypto::link_key::generate();
  cluster_node front{1, role::gateway};
  // A free port, known before the front takes it.
  test_node placeholder;
  placeholder.start();
  auto const endpoint = placeholder.link->endpoint();
  placeholder.link.reset();
  watched<int> views;
  auto const supervisor =
      start_voice(supervisor_id, key, {endpoint, front.key.public_key},
                  [&](messages::member_view const&) { views.change([](int& count) { ++count; }); });
  supervisor->announce({});
  node_links_options front_options;
  front_options.self = front.self;
  front_options.secret_key = front.key.secret.clone();
  front_options.bind = endpoint;
  front_options.trusted = {key.public_key};
  front_options.is_seed = true;
  auto links = node_links::start(*caf.system, front.routes, std::move(front_options));
  REQUIRE(links);
  CHECK(views.wait([](int count) { return count > 0; }));
  CHECK(supervisor->linked_seeds() == 1);
}
