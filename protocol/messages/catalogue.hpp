#pragma once
// Every message that crosses a link: its number, frozen, and its retention class. A message that can hold
// content without being marked ephemeral, or that holds anything but metadata without the mark, does not
// compile.
#include "protocol/messages/group.hpp"
#include "protocol/messages/inference.hpp"
#include "protocol/messages/link.hpp"
#include "protocol/messages/rank_hosts.hpp"
#include "protocol/messages/retention.hpp"
#include "protocol/messages/scheduling.hpp"

namespace mayfly::messages {

enum class retention_class : std::uint8_t {
  metadata = 0,  ///< may be logged, stored, shown
  ephemeral = 1, ///< content: in memory only, under a lease
};

/// Number and class of a message kind. Instantiating it for a message with an unmarked content field fails.
template <message M, std::uint16_t Number, retention_class Class>
struct kind_entry {
  using message_type = M;
  static constexpr std::uint16_t number = Number;
  static constexpr retention_class retention = Class;
  static_assert(Class == retention_class::ephemeral || !holds_content<M>(),
                "this message can hold content: mark it ephemeral");
  static_assert(Class == retention_class::ephemeral || holds_metadata_only<M>(),
                "a metadata message consists of the closed list of metadata types");
};

template <class... Entries>
struct kind_list {
  /// Calls `visit.template operator()<Entry>()` for every kind.
  template <class Visitor>
  static constexpr void for_each(Visitor&& visit) {
    (visit.template operator()<Entries>(), ...);
  }
};

// clang-format off
using catalogue = kind_list<
    kind_entry<hello, 1, retention_class::metadata>,
    kind_entry<heartbeat, 2, retention_class::metadata>,
    kind_entry<refusal, 3, retention_class::metadata>,
    kind_entry<announcement, 10, retention_class::metadata>,
    kind_entry<member_view, 11, retention_class::metadata>,
    kind_entry<placement_request, 20, retention_class::metadata>,
    kind_entry<placement, 21, retention_class::metadata>,
    kind_entry<placement_release, 22, retention_class::metadata>,
    kind_entry<worker_report, 23, retention_class::metadata>,
    kind_entry<drain_order, 24, retention_class::metadata>,
    kind_entry<infer, 30, retention_class::ephemeral>,
    kind_entry<admission, 31, retention_class::metadata>,
    kind_entry<output_chunk, 32, retention_class::ephemeral>,
    kind_entry<credit, 33, retention_class::metadata>,
    kind_entry<cancel, 34, retention_class::metadata>,
    kind_entry<finished, 35, retention_class::metadata>,
    kind_entry<lease_opening, 40, retention_class::metadata>,
    kind_entry<lease_opened, 41, retention_class::metadata>,
    kind_entry<holder_registered, 42, retention_class::metadata>,
    kind_entry<holder_wiped, 43, retention_class::metadata>,
    kind_entry<lease_closing, 44, retention_class::metadata>,
    kind_entry<lease_forced, 45, retention_class::metadata>,
    kind_entry<receipt_query, 46, retention_class::metadata>,
    kind_entry<receipt_answer, 47, retention_class::metadata>,
    kind_entry<retention_report, 48, retention_class::metadata>,
    kind_entry<gateway_report, 50, retention_class::metadata>,
    kind_entry<rank_shape, 60, retention_class::metadata>,
    kind_entry<step_plan, 61, retention_class::ephemeral>,
    kind_entry<wipe_order, 62, retention_class::metadata>,
    kind_entry<settle_order, 63, retention_class::metadata>,
    kind_entry<rank_settled, 64, retention_class::metadata>,
    kind_entry<rank_holds, 65, retention_class::metadata>,
    kind_entry<rank_released, 66, retention_class::metadata>,
    kind_entry<rank_report, 67, retention_class::metadata>,
    kind_entry<rank_meeting, 68, retention_class::ephemeral>,
    kind_entry<ranks_wait, 70, retention_class::metadata>,
    kind_entry<ranks_meet, 71, retention_class::ephemeral>,
    kind_entry<ranks_part, 72, retention_class::metadata>>;
// clang-format on

namespace detail {
template <class M, class List>
struct find_entry;
template <class M, class First, class... Rest>
struct find_entry<M, kind_list<First, Rest...>> {
  using type =
      typename std::conditional_t<std::is_same_v<M, typename First::message_type>, std::type_identity<First>,
                                  find_entry<M, kind_list<Rest...>>>::type;
};
template <class M>
struct find_entry<M, kind_list<>> {};
} // namespace detail

/// The catalogue's entry of a message type; does not compile for a type that is not in the catalogue.
template <message M>
using kind_of = typename detail::find_entry<M, catalogue>::type;

} // namespace mayfly::messages
