#include "actors/retention/retention.hpp"

#include "actors/retention/retention_state.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {

/// Ends a batch: whatever was queued before it shares one commit.
struct commit_batch {};

} // namespace mayfly::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mayfly::actors::commit_batch)

namespace mayfly::actors {
namespace {

namespace m = messages;
using inner_actor = retention_actor::extend<caf::reacts_to<commit_batch>>;

struct retention_parts {
  retention_options options;
  std::optional<receipt_ledger> ledger;
};

inner_actor::behavior_type behaviour(inner_actor::stateful_pointer<retention_state> self,
                                     std::shared_ptr<retention_parts> const& parts) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  auto const commit_soon = [self] { self->send(inner_actor(self), commit_batch{}); };
  state.init(std::move(parts->options), std::move(*parts->ledger), commit_soon);
  return {
      [&state](received<m::lease_opening> const& got) { state.open(got.from, *got.message); },
      [&state](received<m::holder_registered> const& got) { state.registered(*got.message); },
      [&state](received<m::holder_wiped> const& got) { state.wiped(*got.message); },
      [&state](received<m::lease_closing> const& got) { state.closing(*got.message); },
      [&state](received<m::receipt_query> const& got) { state.query(got.from, *got.message); },
      [&state](cluster::peer_joined const& joined) { state.joined(joined); },
      [&state](cluster::peer_left const& left) { state.left(left.node); },
      [&state](cluster::process_exited const& exited) { state.exited(exited); },
      [&state](cluster::tick) { state.tick(); },
      [&state](commit_batch) { state.commit(); },
  };
}

} // namespace

result<retention_actor> spawn_retention(caf::actor_system& system, retention_options options) {
  auto key = crypto::signing_key::from_seed(options.receipt_seed.reveal());
  if (!key) return key.failure();
  if (options.pseudonym_key.size() != 32)
    return error{errc::malformed, "the pseudonym key is 32 bytes",
                 static_cast<int>(options.pseudonym_key.size())};
  auto ledger = receipt_ledger::open(options.store, std::move(*key));
  if (!ledger) return ledger.failure();
  if (auto left_open = options.store->open_leases(); !left_open) return left_open.failure();
  auto parts = std::make_shared<retention_parts>();
  parts->options = std::move(options);
  parts->options.receipt_seed.clear();
  parts->ledger.emplace(std::move(*ledger));
  return retention_actor(system.spawn(behaviour, std::move(parts)));
}

void register_routes(cluster::router& routes, retention_actor const& retention) {
  routes.route<m::lease_opening>(retention);
  routes.route<m::holder_registered>(retention);
  routes.route<m::holder_wiped>(retention);
  routes.route<m::lease_closing>(retention);
  routes.route<m::receipt_query>(retention);
}

} // namespace mayfly::actors
