#include "cluster/membership/membership_state.hpp"

#include "cluster/membership/dialling.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <utility>

namespace mayfly::cluster {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_life{1000};
constexpr milliseconds longest_life{60'000};
constexpr milliseconds announcement_interval{1000};
// How long the members that a lost seed told of are still dialled; a restarted seed tells anew.
constexpr milliseconds memory_of_a_seed{30'000};
// A seed that vouched on a withdrawn key's word shows its view without those members within this time.
constexpr milliseconds withdrawal{5000};

} // namespace

void membership_state::start(caf::actor_system& system, std::shared_ptr<transport> links,
                             membership_options options) {
  system_ = &system;
  links_ = std::move(links);
  options_ = std::move(options);
  knows_own_host_ = !options_.self.supervisor;
  apply(
      table_.merge({source_kind::own, options_.self.node}, {{options_.self}, {}, {}, {}}, boot_clock::now()));
}

membership_state::~membership_state() {
  for (auto const& [key, one] : diallers_) caf::anon_send_exit(one.actor, caf::exit_reason::user_shutdown);
}

bool membership_state::believes(peer const& from, messages::announcement const& word) const {
  if (!options_.is_seed || word.supervisor != from.node() || !links_->lists(from.public_key())) return false;
  bool const supervises = messages::has_role(from.roles(), messages::role::supervisor);
  return std::all_of(word.members.begin(), word.members.end(), [&](messages::member const& one) {
    if (supervises) return one.supervisor == word.supervisor;
    return one.node == from.node() && one.public_key == from.public_key();
  });
}

void membership_state::announced(received<messages::announcement> const& word) {
  auto const& said = *word.message;
  if (!believes(*word.from, said)) return;
  auto const now = boot_clock::now();
  auto const life = std::clamp(said.time_to_live, shortest_life, longest_life);
  apply(table_.merge({source_kind::announced, said.supervisor},
                     {said.members, said.exited, word.from->public_key(), now + life}, now));
  show_view(*word.from);
}

void membership_state::viewed(received<messages::member_view> const& word) {
  if (options_.is_seed || !is_seed_key(word.from->public_key())) return;
  auto const& speaker = word.from->public_key();
  apply(table_.merge({source_kind::seed_view, word.from->node()},
                     {word.message->members, word.message->exited, speaker, {}}, boot_clock::now()));
  // What an earlier process of this seed said is void.
  apply(table_.forget([&](source const& from, messages::bytes32 const& key) {
    return from.kind == source_kind::seed_view && key == speaker && from.node != word.from->node();
  }));
}

void membership_state::told(local_view const& word) {
  statement said{word.view.members, word.view.exited, {}, {}};
  // At a seed the supervisor speaks for its children alone: what it knows of others it has from here, and
  // would keep alive forever.
  if (options_.is_seed)
    std::erase_if(said.members, [&](auto const& one) { return one.supervisor != options_.self.supervisor; });
  bool const first = !std::exchange(knows_own_host_, true);
  apply(table_.merge({source_kind::local, options_.self.supervisor}, std::move(said), boot_clock::now()));
  if (first && options_.is_seed) push_view();
}

void membership_state::withdrawn(trust_withdrawn const& news) {
  // A member's own key, of a process that ended, vouched for nobody.
  bool const vouched =
      std::ranges::any_of(news.keys, [&](auto const& key) { return table_.find(key) == nullptr; });
  if (vouched) no_strangers_until_ = boot_clock::now() + withdrawal;
}

void membership_state::add(subscribe const& wish) {
  subscribers_.push_back(wish.subscriber);
  caf::anon_send(wish.subscriber, peer_joined{options_.local, options_.self});
  for (auto const& [node, one] : linked_)
    if (takes_part(one.peer->roles()))
      caf::anon_send(wish.subscriber, peer_joined{one.peer, member_of(*one.peer)});
}

void membership_state::up(link_up const& news) {
  linked_[news.peer->node()] = {news.peer, news.direction};
  if (takes_part(news.peer->roles())) tell(peer_joined{news.peer, member_of(*news.peer)});
  if (options_.is_seed && !only_works(news.peer->roles())) show_view(*news.peer);
  reconcile();
}

void membership_state::down(link_down const& news) {
  auto const place = linked_.find(news.node);
  if (place == linked_.end()) return;
  bool const took_part = takes_part(place->second.peer->roles());
  linked_.erase(place);
  if (took_part) tell(peer_left{news.node});
  table_.silence({source_kind::seed_view, news.node}, boot_clock::now() + memory_of_a_seed);
  reconcile();
}

void membership_state::beat() {
  auto const now = boot_clock::now();
  apply(table_.forget([&](source const& from, messages::bytes32 const& key) {
    return from.kind == source_kind::announced && !links_->lists(key);
  }));
  apply(table_.expire(now));
  drop_strangers(now);
  announce_self();
  for (auto const& [key, one] : diallers_) caf::anon_send(one.actor, tick{});
}

/// Closes the links of whom nobody trusted names any more. While a key was just withdrawn, at once: it may
/// have vouched for them. Else after a while: a seed that restarts does not know everybody yet.
void membership_state::drop_strangers(boot_clock::time_point now) {
  for (auto& [node, one] : linked_) {
    auto const& key = one.peer->public_key();
    if (table_.find(key) != nullptr || links_->lists(key) || is_seed_key(key)) {
      one.stranger_since.reset();
      continue;
    }
    if (!one.stranger_since) one.stranger_since = now;
    if (now < no_strangers_until_ || now - *one.stranger_since > memory_of_a_seed) links_->drop(node);
  }
}

/// The member as the view knows it, or what the link itself told.
messages::member membership_state::member_of(peer const& one) const {
  if (auto const* const known = table_.find(one.node())) return *known;
  messages::member made;
  made.node = one.node();
  made.roles = one.roles();
  made.public_key = one.public_key();
  return made;
}

void membership_state::apply(table_change const& change) {
  for (auto const& one : change.exited) {
    tell(process_exited{one.node, one.at_unix_ms});
    links_->drop(one.node);
  }
  if (!change.changed) return;
  links_->set_vouched(table_.view().members);
  if (options_.is_seed) push_view();
  reconcile();
}

void membership_state::reconcile() { keep_diallers(targets()); }

std::map<messages::bytes32, dial_target> membership_state::targets() const {
  std::map<messages::bytes32, dial_target> wanted;
  for (auto const& one : options_.seeds)
    if (one.public_key != options_.self.public_key && !one.endpoint.empty())
      wanted[one.public_key] = {one.endpoint, one.public_key, node_id{}};
  for (auto const& one : table_.view().members)
    if (dials(options_.self, one) && !wanted.contains(one.public_key))
      wanted[one.public_key] = {one.endpoint, one.public_key, one.node};
  std::erase_if(wanted, [&](auto const& entry) {
    // It dialled us: one link is enough. A revoked one would be closed again.
    return linked_with(entry.first, link_direction::accepted) || links_->revoked(entry.first);
  });
  return wanted;
}

void membership_state::keep_diallers(std::map<messages::bytes32, dial_target> const& wanted) {
  std::erase_if(diallers_, [&](auto const& entry) {
    auto const place = wanted.find(entry.first);
    bool const stays = place != wanted.end() && place->second == entry.second.target;
    if (!stays) caf::anon_send(entry.second.actor, stop_dialling{});
    return !stays;
  });
  for (auto const& [key, target] : wanted)
    if (!diallers_.contains(key) && !linked_with(key, link_direction::dialled))
      diallers_.emplace(key, dialler{target, spawn_peer_link(*system_, links_, target)});
}

/// Not before the own supervisor has spoken: who hears a view takes all others for gone.
void membership_state::show_view(peer const& to) const {
  if (knows_own_host_) to.send(table_.view());
}

void membership_state::push_view() const {
  for (auto const& [node, one] : linked_)
    if (!only_works(one.peer->roles())) show_view(*one.peer);
}

void membership_state::announce_self() {
  auto const now = boot_clock::now();
  if (options_.is_seed || options_.self.supervisor || now < next_announcement_) return;
  next_announcement_ = now + announcement_interval;
  for (auto const& [node, one] : linked_)
    if (is_seed_key(one.peer->public_key()))
      one.peer->send(messages::announcement{options_.self.node, {options_.self}, {}});
}

bool membership_state::is_seed_key(messages::bytes32 const& key) const {
  return std::any_of(options_.seeds.begin(), options_.seeds.end(),
                     [&](auto const& one) { return one.public_key == key; });
}

bool membership_state::linked_with(messages::bytes32 const& key, link_direction direction) const {
  return std::any_of(linked_.begin(), linked_.end(), [&](auto const& entry) {
    return entry.second.peer->public_key() == key && entry.second.direction == direction;
  });
}

template <class Event>
void membership_state::tell(Event const& event) const {
  for (auto const& one : subscribers_) caf::anon_send(one, event);
}

} // namespace mayfly::cluster
