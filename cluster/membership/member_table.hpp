#pragma once
// Who is in the cluster, merged from everybody who has a say. Pure: no actors, no sockets, and time is given.
#include "protocol/base/clock.hpp"
#include "protocol/messages/link.hpp"

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace mayfly::cluster {

/// Whose word it is. Where words differ about one node or one key, the earlier in this order stays.
enum class source_kind : std::uint8_t {
  own,       ///< this process about itself
  local,     ///< the own supervisor, over its control channel
  announced, ///< a supervisor, over a link (at seeds)
  seed_view, ///< a seed, over a link (elsewhere)
};

struct source {
  source_kind kind = source_kind::own;
  node_id node; ///< who says it
  friend auto operator<=>(source const&, source const&) = default;
};

/// Whether both name the same members and exits; epochs are each speaker's own count.
bool same_word(messages::member_view const& left, messages::member_view const& right);

/// What a source says, whole: it replaces what it said before. A supervisor's word over a link about the exit
/// of a process that another one named first is not believed.
struct statement {
  std::vector<messages::member> members;
  std::vector<messages::exited_member> exited;
  messages::bytes32 key{};                              ///< of the source
  std::optional<boot_clock::time_point> silent_at = {}; ///< its members leave then, unless it speaks again
};

/// What a step changed.
struct table_change {
  bool changed = false;
  std::vector<messages::exited_member>
      exited; ///< processes that are known to have ended only since this step
};

class member_table {
public:
  table_change merge(source const& from, statement what, boot_clock::time_point now);
  /// Drops sources that are silent, and forgets exits after ten minutes.
  table_change expire(boot_clock::time_point now);
  /// Drops sources by their key: their supervisor is not trusted any more.
  table_change forget(std::function<bool(source const&, messages::bytes32 const&)> const& untrusted);
  /// The source will be silent at `when` unless it speaks before.
  void silence(source const& from, boot_clock::time_point when);

  messages::member const* find(node_id node) const;
  messages::member const* find(messages::bytes32 const& key) const;
  /// Members in the order of their ids; `epoch` grows with each change.
  messages::member_view const& view() const noexcept { return view_; }

private:
  struct exit_record {
    std::int64_t at_unix_ms = 0;
    boot_clock::time_point known_since;
    boot_clock::time_point last_told;
  };
  struct owner {
    source by;
    messages::bytes32 key{}; ///< lasts where the source's id is a process's
    boot_clock::time_point last_named;
  };
  bool names(source const& by, node_id node) const;
  void note_members(source const& from, statement const& said, boot_clock::time_point now);
  void note_exits(source const& from, statement const& said, boot_clock::time_point now,
                  table_change& change);
  void rebuild(boot_clock::time_point now, table_change& change);
  std::vector<messages::member> merged() const;

  std::map<source, statement> statements_;
  std::map<node_id, exit_record> exits_;
  std::map<node_id, owner> owners_; ///< who named a node first: of exits, at seeds, its word alone counts
  messages::member_view view_;
  boot_clock::time_point last_now_{};
};

} // namespace mayfly::cluster
