#include "cluster/membership/member_table.hpp"

#include <algorithm>
#include <set>

namespace mayfly::cluster {
namespace {

constexpr std::chrono::minutes exits_are_told{10};

bool same(messages::member const& left, messages::member const& right) {
  return left.node == right.node && left.roles == right.roles && left.endpoint == right.endpoint &&
         left.public_key == right.public_key && left.supervisor == right.supervisor &&
         left.region == right.region;
}

bool same_exit(messages::exited_member const& left, messages::exited_member const& right) {
  return left.node == right.node && left.at_unix_ms == right.at_unix_ms;
}

} // namespace

bool same_word(messages::member_view const& left, messages::member_view const& right) {
  return std::ranges::equal(left.members, right.members, same) &&
         std::ranges::equal(left.exited, right.exited, same_exit);
}

table_change member_table::merge(source const& from, statement what, boot_clock::time_point now) {
  table_change change;
  note_members(from, what, now);
  note_exits(from, what, now, change);
  what.exited.clear();
  statements_[from] = std::move(what);
  rebuild(now, change);
  return change;
}

table_change member_table::expire(boot_clock::time_point now) {
  table_change change;
  std::erase_if(statements_,
                [&](auto const& entry) { return entry.second.silent_at && *entry.second.silent_at <= now; });
  rebuild(now, change);
  // Only when nobody tells of it any more: else it would come back as news.
  std::erase_if(exits_, [&](auto const& entry) { return now - entry.second.last_told > exits_are_told; });
  std::erase_if(owners_, [&](auto const& entry) {
    return now - entry.second.last_named > exits_are_told && !names(entry.second.by, entry.first);
  });
  return change;
}

table_change
member_table::forget(std::function<bool(source const&, messages::bytes32 const&)> const& untrusted) {
  table_change change;
  std::erase_if(statements_, [&](auto const& entry) { return untrusted(entry.first, entry.second.key); });
  rebuild(last_now_, change);
  return change;
}

void member_table::silence(source const& from, boot_clock::time_point when) {
  if (auto const place = statements_.find(from); place != statements_.end()) place->second.silent_at = when;
}

messages::member const* member_table::find(node_id node) const {
  for (auto const& one : view_.members)
    if (one.node == node) return &one;
  return nullptr;
}

messages::member const* member_table::find(messages::bytes32 const& key) const {
  for (auto const& one : view_.members)
    if (one.public_key == key) return &one;
  return nullptr;
}

bool member_table::names(source const& by, node_id node) const {
  auto const said = statements_.find(by);
  return said != statements_.end() &&
         std::ranges::any_of(said->second.members, [&](auto const& one) { return one.node == node; });
}

void member_table::note_members(source const& from, statement const& said, boot_clock::time_point now) {
  for (auto const& one : said.members) {
    auto const place = owners_.try_emplace(one.node, owner{from, said.key, now}).first;
    if (place->second.by == from) place->second.last_named = now;
  }
}

void member_table::note_exits(source const& from, statement const& said, boot_clock::time_point now,
                              table_change& change) {
  for (auto const& one : said.exited) {
    auto const owned = owners_.find(one.node);
    // A supervisor that was started anew has its key, and another id.
    bool const same_key =
        said.key != messages::bytes32{} && owned != owners_.end() && owned->second.key == said.key;
    bool const others = owned != owners_.end() && owned->second.by != from && !same_key;
    if (others && from.kind == source_kind::announced) continue;
    auto const [place, fresh] = exits_.try_emplace(one.node, exit_record{one.at_unix_ms, now, now});
    place->second.last_told = now;
    if (fresh) change.exited.push_back(one);
  }
}

std::vector<messages::member> member_table::merged() const {
  std::map<node_id, messages::member> by_node;
  std::set<messages::bytes32> keys;
  for (auto const& [from, said] : statements_)
    for (auto const& one : said.members)
      if (!exits_.contains(one.node) && !by_node.contains(one.node) && keys.insert(one.public_key).second)
        by_node.emplace(one.node, one);
  std::vector<messages::member> all;
  for (auto& [node, one] : by_node) all.push_back(std::move(one));
  return all;
}

void member_table::rebuild(boot_clock::time_point now, table_change& change) {
  last_now_ = now;
  messages::member_view next{view_.epoch + 1, merged(), {}};
  for (auto const& [node, record] : exits_)
    if (now - record.known_since <= exits_are_told) next.exited.push_back({node, record.at_unix_ms});
  change.changed = !same_word(next, view_);
  if (change.changed) view_ = std::move(next);
}

} // namespace mayfly::cluster
