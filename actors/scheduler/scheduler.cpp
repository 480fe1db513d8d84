#include "actors/scheduler/scheduler.hpp"

#include "actors/scheduler/placement/least_loaded.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {
namespace {

namespace m = messages;
using cluster::peer_joined;

/// Tokens that a sequence is expected to fill where its request sets no bound.
constexpr std::uint32_t usual_answer_tokens = 256;

struct scheduler_state {
  static constexpr char const* name = "scheduler";
  scheduler_options options;
  cluster_view view;

  void place(received<m::placement_request> const& asked) {
    auto const& request = *asked.message;
    auto const answer_tokens = request.max_tokens == 0 ? usual_answer_tokens : request.max_tokens;
    placement_need const need{std::uint64_t{request.estimated_prompt_tokens} + answer_tokens,
                              request.excluded, request.region};
    auto const candidates = view.candidates(request.model);
    auto const chosen = options.policy->choose(need, candidates);
    m::placement answer{request.request, {}, 0};
    if (chosen) {
      answer.worker = candidates[*chosen].worker;
      view.placed(request.request, answer.worker, request.model, need.tokens, options.now());
    } else {
      answer.code = static_cast<std::uint16_t>(chosen.failure().code);
    }
    asked.from->send(answer);
  }
  void joined(peer_joined const& joined) {
    if (m::has_role(joined.peer->roles(), m::role::worker)) view.joined(joined.peer->node());
  }
};

scheduler_actor::behavior_type behaviour(scheduler_actor::stateful_pointer<scheduler_state> self,
                                         std::shared_ptr<scheduler_options> const& options) {
  self->set_default_handler(caf::drop);
  auto& state = self->state;
  state.options = std::move(*options);
  state.view = cluster_view(state.options.limits);
  if (state.options.policy == nullptr) state.options.policy = std::make_shared<least_loaded>();
  return {
      [&state](received<m::placement_request> const& asked) { state.place(asked); },
      [&state](received<m::placement_release> const& got) {
        state.view.released(got.message->request, got.message->worker);
      },
      [&state](received<m::worker_report> const& got) {
        state.view.reported(*got.message, state.options.now());
      },
      [&state](peer_joined const& joined) { state.joined(joined); },
      [&state](cluster::peer_left const& left) { state.view.left(left.node); },
      [&state](cluster::process_exited const& exited) { state.view.left(exited.node); },
      [&state](cluster::tick) { state.view.tick(state.options.now()); },
  };
}

} // namespace

scheduler_actor spawn_scheduler(caf::actor_system& system, scheduler_options options) {
  return system.spawn(behaviour, std::make_shared<scheduler_options>(std::move(options)));
}

void register_routes(cluster::router& routes, scheduler_actor const& scheduler) {
  routes.route<m::placement_request>(scheduler);
  routes.route<m::placement_release>(scheduler);
  routes.route<m::worker_report>(scheduler);
}

} // namespace mayfly::actors
