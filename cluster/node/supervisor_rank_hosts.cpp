// Groups of ranks that span hosts. The first host's supervisor knows which ranks want a group, its own and,
// by `ranks_wait`, the others', and calls them to meet; each supervisor connects its ranks' sockets with the
// others' and seats them. Whoever loses a rank, or cannot seat one, says `ranks_part`, and all leave.
#include "cluster/node/event_log.hpp"
#include "cluster/node/supervisor.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/random.hpp"
#include "protocol/msgpack/codec.hpp"

namespace mayfly::node {
namespace {

constexpr std::chrono::milliseconds wait_interval{300}; ///< between two `ranks_wait`

} // namespace

result<void> supervisor::meet_rank_hosts(start_step& step) {
  if (!spans_hosts()) return {};
  auto const& layout = configuration_.ranks_over_hosts;
  auto const own = layout.find(own_keys_.public_key);
  step = {"[[rank_host]]", ""};
  if (!own) {
    step.advice = "One of them needs this host's key: " + crypto::to_hexadecimal(own_keys_.public_key);
    return error{errc::configuration, "none of the hosts that ranks span is this one", 0};
  }
  if (configuration_.workers != 1)
    return error{errc::configuration, "ranks over several hosts make up one worker (workers)",
                 configuration_.workers};
  own_host_ = *own;
  if (!leads_hosts() && configuration_.join.empty())
    return error{errc::configuration, "a host of later ranks needs [[join]]: the cluster that they serve", 0};
  step = {layout.hosts()[own_host_].endpoint.text(),
          "Is it this host's, and free, and the port after it too?"};
  auto sockets = rank_sockets::listen(layout, own_host_);
  if (!sockets) return sockets.failure();
  connector_ = std::make_unique<rank_connector>(std::move(*sockets));
  auto links = host_links::start({id_, own_keys_.public_key, own_keys_.secret.clone(), layout, own_host_});
  if (!links) return links.failure();
  host_links_ = std::move(*links);
  step = {};
  return {};
}

/// A rank here wants a group: of the last one that it was seated in, or of none.
void supervisor::take_spanning_wish(slot const& child, group_wish const& wish) {
  auto& group = spanning_.try_emplace(wish.model).first->second;
  if (group.seated && wish.after == group.epoch) part_from(wish.model, group);
  group.wanting.insert(child.plan.rank);
  if (leads_hosts()) group_of(wish.model).wants(child.plan.rank, boot_clock::now());
}

void supervisor::spanning_rank_ended(slot const& child) {
  for (auto& [model, group] : spanning_) {
    if (group.seated) part_from(model, group);
    group.wanting.erase(child.plan.rank);
    if (leads_hosts()) group_of(model).ended(child.plan.rank, boot_clock::now());
  }
}

rank_group& supervisor::group_of(name const& model) {
  return groups_.try_emplace({0, model}, configuration_.tensor_parallel).first->second;
}

/// The group is over here: the ranks of this host leave it, and the other hosts hear of it.
void supervisor::part_from(name const& model, spanning_group& group) {
  if (!std::exchange(group.seated, false)) return;
  if (!stopping_) event_log("group_lost").with("model", model.text()).with("epoch", group.epoch);
  ephemeral_bytes body;
  wire::encode(group_wish{model, group.epoch}, body);
  for (auto* const rank : ranks_of(0))
    if (rank->process) (void)rank->process->control().send(control_type::group_over, body.reveal());
  tell_hosts(messages::ranks_part{model, group.epoch});
}

/// The first host tells all others, the others the first.
void supervisor::tell_hosts(messages::ranks_part const& word) {
  auto const hosts = configuration_.ranks_over_hosts.hosts().size();
  for (std::size_t host = 0; host < hosts; ++host)
    if (host != own_host_ && (leads_hosts() || host == 0)) host_links_->send(host, word);
}

void supervisor::follow_hosts() {
  if (!spans_hosts()) return;
  for (auto& event : host_links_->take_events()) take_host_event(event);
  while (auto met = connector_->take()) seat_ranks(*met);
  auto const now = boot_clock::now();
  if (leads_hosts() || stopping_ || now < waits_due_) return;
  waits_due_ = now + wait_interval;
  for (auto const& [model, group] : spanning_) {
    if (!all_want(group) || group.meeting) continue;
    messages::ranks_wait word{model, {}, group.epoch};
    for (auto const* rank : ranks_of(0)) word.nodes.push_back(rank->member.node);
    host_links_->send(0, word);
  }
}

bool supervisor::all_want(spanning_group const& group) const {
  return group.wanting.size() == configuration_.ranks_over_hosts.hosts()[own_host_].ranks;
}

void supervisor::take_host_event(host_event& event) {
  auto const host = event.host;
  if (auto const* wait = std::get_if<messages::ranks_wait>(&event.what)) return host_waits(host, *wait);
  if (auto const* part = std::get_if<messages::ranks_part>(&event.what)) return host_parts(host, *part);
  if (auto* meet = std::get_if<messages::ranks_meet>(&event.what)) return host_calls(host, std::move(*meet));
  bool const came = std::holds_alternative<host_linked>(event.what);
  event_log(came ? literal("rank_host_linked") : literal("rank_host_lost"))
      .with("host", configuration_.ranks_over_hosts.hosts()[host].endpoint.text());
  lose_host(host); // whatever was before, it counts no more
}

void supervisor::lose_host(std::size_t host) {
  for (auto& [model, group] : spanning_) {
    part_from(model, group);
    if (!leads_hosts()) continue;
    auto const& layout = configuration_.ranks_over_hosts;
    auto const first = layout.first_rank(host);
    for (auto rank = first; rank < first + layout.hosts()[host].ranks; ++rank)
      group_of(model).ended(rank, boot_clock::now());
  }
}

/// At the first host.
void supervisor::host_waits(std::size_t host, messages::ranks_wait const& word) {
  auto const& layout = configuration_.ranks_over_hosts;
  auto const& model = configuration_.models;
  bool const known = std::ranges::any_of(model, [&](auto const& one) { return one.id == word.model; });
  if (!leads_hosts() || !known || word.nodes.size() != layout.hosts()[host].ranks) return;
  auto& group = group_of(word.model);
  if (group.formed() && word.after < group.epoch()) return; // it crossed the call to meet
  group.at_least(word.after);
  spanning_[word.model].nodes[host] = word.nodes;
  auto const first = layout.first_rank(host);
  for (auto rank = first; rank < first + layout.hosts()[host].ranks; ++rank)
    group.wants(rank, boot_clock::now());
}

void supervisor::host_parts(std::size_t host, messages::ranks_part const& word) {
  auto const at = spanning_.find(word.model);
  if (at == spanning_.end() || word.epoch != at->second.epoch) return;
  part_from(word.model, at->second);
  if (!leads_hosts()) return;
  auto const& layout = configuration_.ranks_over_hosts;
  auto const first = layout.first_rank(host);
  for (auto rank = first; rank < first + layout.hosts()[host].ranks; ++rank)
    group_of(word.model).ended(rank, boot_clock::now());
}

/// At the others: the first host calls them to meet.
void supervisor::host_calls(std::size_t host, messages::ranks_meet meeting) {
  auto const at = spanning_.find(meeting.model);
  if (host != 0 || at == spanning_.end() || !all_want(at->second) || at->second.meeting) {
    host_links_->send(host, messages::ranks_part{meeting.model, meeting.epoch});
    return;
  }
  at->second.meeting = true;
  at->second.epoch = meeting.epoch;
  connector_->connect(std::move(meeting));
}

/// At the first host: every rank wants a group.
void supervisor::call_hosts(name const& model, std::uint64_t epoch) {
  auto& group = spanning_[model];
  messages::ranks_meet meeting{model, epoch, {}, crypto::random_bytes(32)};
  for (auto const* rank : ranks_of(0)) meeting.nodes.push_back(rank->member.node);
  for (auto const& [host, nodes] : group.nodes)
    meeting.nodes.insert(meeting.nodes.end(), nodes.begin(), nodes.end());
  for (auto const& [host, nodes] : group.nodes)
    host_links_->send(host, messages::ranks_meet{model, epoch, meeting.nodes, meeting.key.clone()});
  group.epoch = epoch;
  group.meeting = true;
  connector_->connect(std::move(meeting));
}

/// The sockets are there, or cannot be.
void supervisor::seat_ranks(rank_connection& met) {
  auto& group = spanning_[met.meeting.model];
  group.meeting = false;
  auto const ranks = ranks_of(0);
  auto const first = configuration_.ranks_over_hosts.first_rank(own_host_);
  bool stands = met.seats.has_value() && all_want(group) && met.meeting.epoch == group.epoch &&
                met.meeting.nodes.size() == configuration_.tensor_parallel;
  for (std::size_t index = 0; stands && index < ranks.size(); ++index)
    stands = ranks[index]->process && ranks[index]->member.node == met.meeting.nodes[first + index];
  {
    event_log event(stands ? literal("group_formed") : literal("group_not_formed"));
    event.with("model", met.meeting.model.text())
        .with("epoch", met.meeting.epoch)
        .with("ranks", configuration_.tensor_parallel);
    if (!stands) event.with("why", met.seats ? "a rank was lost meanwhile" : in_words(met.seats.failure()));
  }
  group.seated = true; // so that parting says so to the ranks and the hosts
  if (!stands) {
    part_from(met.meeting.model, group);
    if (leads_hosts())
      for (auto const rank : group.wanting) group_of(met.meeting.model).wants(rank, boot_clock::now());
    return;
  }
  group.wanting.clear();
  for (std::size_t index = 0; index < ranks.size(); ++index)
    seat_rank(*ranks[index], met.meeting, (*met.seats)[index]);
}

void supervisor::seat_rank(slot& rank, messages::ranks_meet const& meeting,
                           std::vector<owned_descriptor> const& descriptors) {
  group_seat seat{meeting.model, meeting.model, meeting.epoch,      rank.plan.rank,
                  meeting.nodes, false,         meeting.key.clone()};
  ephemeral_bytes body;
  wire::encode(seat, body);
  std::vector<int> numbers;
  for (auto const& descriptor : descriptors) numbers.push_back(descriptor.get());
  (void)rank.process->control().send(control_type::group_seat, body.reveal(), numbers);
}

} // namespace mayfly::node
