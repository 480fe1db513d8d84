#include "cluster/node/role_host.hpp"

#include "actors/gateway/gateway.hpp"
#include "actors/operations/operations.hpp"
#include "actors/retention/retention.hpp"
#include "actors/retention/sqlite_receipt_store.hpp"
#include "actors/scheduler/scheduler.hpp"

#include <caf/actor_cast.hpp>
#include <caf/atom.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <thread>

namespace mayfly::node {
namespace {

using messages::role;

caf::actor_system_config& configured(caf::actor_system_config& options) {
  // The default policy (stealing) costs five times the round-trip latency and idle processor time.
  options.set("scheduler.policy", caf::atom("sharing"));
  // Few threads: a request's actors follow one another, and each change of thread costs a wake-up.
  options.set("scheduler.max-threads",
              std::size_t{std::clamp(std::thread::hardware_concurrency() / 2, 1U, 4U)});
  return options;
}

} // namespace

role_host::role_host() : system_(configured(system_options_)) {}

role_host::~role_host() {
  for (auto const& actor : all_) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  all_.clear();
  gateway_ = actors::gateway_actor();
  scheduler_ = actors::scheduler_actor();
  worker_ = actors::gpu_worker_actor();
  shard_ = actors::shard_actor();
  retention_ = actors::retention_actor();
  operations_ = actors::operations_actor();
  system_.await_all_actors_done();
}

result<std::unique_ptr<role_host>> role_host::start(node_configuration const& configuration,
                                                    loaded_models models, actors::want_group wants) {
  std::unique_ptr<role_host> host(new role_host);
  if (auto spawned = host->spawn(configuration, std::move(models), std::move(wants)); !spawned)
    return spawned.failure();
  return host;
}

result<void> role_host::spawn(node_configuration const& configuration, loaded_models models,
                              actors::want_group wants) {
  auto const keep = [this](auto const& actor) {
    actors::register_routes(routes_, actor);
    all_.push_back(caf::actor_cast<caf::actor>(actor));
  };
  if (has_role(configuration.roles, role::scheduler)) keep(scheduler_ = actors::spawn_scheduler(system_));
  if (has_role(configuration.roles, role::operations)) keep(operations_ = actors::spawn_operations(system_));
  if (has_role(configuration.roles, role::retention)) {
    if (auto spawned = spawn_retention(configuration); !spawned) return spawned;
    keep(retention_);
  }
  spawn_rank(configuration, std::move(models), std::move(wants));
  if (worker_) keep(worker_);
  if (shard_) keep(shard_);
  if (has_role(configuration.roles, role::gateway)) {
    actors::gateway_options options;
    options.self = configuration.node;
    options.max_in_flight = configuration.http.max_in_flight;
    for (auto const& model : configuration.models) options.models.push_back(model.id);
    options.view = view_;
    keep(gateway_ = actors::spawn_gateway(system_, std::move(options)));
  }
  return {};
}

void role_host::spawn_rank(node_configuration const& configuration, loaded_models models,
                           actors::want_group wants) {
  if (has_role(configuration.roles, role::worker)) {
    actors::worker_options options;
    options.self = configuration.node;
    options.region = configuration.region;
    options.models = std::move(models.whole);
    options.watch = watch_;
    options.wants = std::move(wants);
    worker_ = actors::spawn_worker(system_, std::move(options));
  } else if (has_role(configuration.roles, role::shard)) {
    actors::shard_options options;
    options.self = configuration.node;
    options.models = std::move(models.shards);
    options.watch = watch_;
    options.wants = std::move(wants);
    shard_ = actors::spawn_shard(system_, std::move(options));
  }
}

void role_host::take_seat(std::shared_ptr<actors::group_offer> offer) {
  if (worker_) caf::anon_send(worker_, actors::take_seat{offer});
  if (shard_) caf::anon_send(shard_, actors::take_seat{std::move(offer)});
}

void role_host::leave_group(actors::leave_group word) {
  if (worker_) caf::anon_send(worker_, word);
  if (shard_) caf::anon_send(shard_, std::move(word));
}

result<void> role_host::spawn_retention(node_configuration const& configuration) {
  auto store = actors::open_sqlite_receipt_store(configuration.receipts);
  if (!store) return store.failure();
  actors::retention_options options;
  options.self = configuration.node;
  options.store = std::move(*store);
  options.receipt_seed = configuration.receipt_seed.clone();
  options.pseudonym_key = configuration.pseudonym_key.clone();
  auto spawned = actors::spawn_retention(system_, std::move(options));
  if (!spawned) return spawned.failure();
  retention_ = std::move(*spawned);
  return {};
}

void role_host::subscribe(cluster::membership_actor const& membership) {
  for (auto const& actor : all_) caf::anon_send(membership, cluster::subscribe{actor});
}

void role_host::tick() {
  for (auto const& actor : all_) caf::anon_send(actor, cluster::tick{});
}

void role_host::drain(cluster::peer_ref const& self) {
  routes_.deliver(self, cluster::parcel(messages::drain_order{true}));
}

void role_host::end_answers() {
  if (gateway_) caf::anon_send(gateway_, actors::end_answers{});
}

bool role_host::busy() const {
  return view_->open_requests != 0 || watch_->holds_work() ||
         watch_->longest_turn(boot_clock::now()).count() != 0;
}

std::chrono::nanoseconds role_host::longest_engine_turn() const {
  return watch_->longest_turn(boot_clock::now());
}

std::shared_ptr<actors::cluster_status const> role_host::status() {
  std::shared_ptr<actors::cluster_status const> found;
  if (!operations_) return found;
  caf::scoped_actor asking(system_);
  asking->request(operations_, std::chrono::seconds(1), actors::status_query{})
      .receive([&](std::shared_ptr<actors::cluster_status const> const& answer) { found = answer; },
               [](caf::error const&) {});
  return found;
}

} // namespace mayfly::node
