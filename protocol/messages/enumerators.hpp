#pragma once
// The names of the enumerators that travel, from 0 without gaps: a codec refuses a number beyond the list,
// and JSON shows the name. An enumeration without a list here does not compile as a message's field.
#include "protocol/messages/group.hpp"
#include "protocol/messages/inference.hpp"
#include "protocol/messages/retention.hpp"

#include <array>
#include <string_view>

namespace mayfly::messages {

namespace detail {
template <std::size_t Count>
using names = std::array<std::string_view, Count>;
} // namespace detail

/// `enumerator_names<E>[n]` is the name of the enumerator with number n.
template <class E>
  requires std::is_enum_v<E>
inline constexpr auto enumerator_names =
    [] { static_assert(sizeof(E) == 0, "list this enumeration's names in enumerators.hpp"); }();

template <>
inline constexpr detail::names<5> enumerator_names<chat_role>{"system", "user", "assistant", "developer",
                                                              "tool"};
template <>
inline constexpr detail::names<3> enumerator_names<prompt_kind>{"chat", "text", "tokens"};
template <>
inline constexpr detail::names<5> enumerator_names<finish_reason>{"none", "stop", "length", "cancelled",
                                                                  "failed"};
template <>
inline constexpr detail::names<4> enumerator_names<retention_policy>{"none", "session", "until_fetched",
                                                                     "debug"};
template <>
inline constexpr detail::names<4> enumerator_names<wipe_state>{"pending", "wiped", "exited", "unconfirmed"};
template <>
inline constexpr detail::names<4> enumerator_names<wipe_extent>{"blocks", "logits", "activations",
                                                                "everything"};
template <>
inline constexpr detail::names<3> enumerator_names<receipt_state>{"unknown", "open", "final"};

static_assert(enumerator_names<chat_role>.size() - 1 == static_cast<std::size_t>(chat_role::tool));
static_assert(enumerator_names<prompt_kind>.size() - 1 == static_cast<std::size_t>(prompt_kind::tokens));
static_assert(enumerator_names<finish_reason>.size() - 1 == static_cast<std::size_t>(finish_reason::failed));
static_assert(enumerator_names<retention_policy>.size() - 1 ==
              static_cast<std::size_t>(retention_policy::debug));
static_assert(enumerator_names<wipe_state>.size() - 1 == static_cast<std::size_t>(wipe_state::unconfirmed));
static_assert(enumerator_names<wipe_extent>.size() - 1 == static_cast<std::size_t>(wipe_extent::everything));
static_assert(enumerator_names<receipt_state>.size() - 1 == static_cast<std::size_t>(receipt_state::final));

/// The name of an enumerator; "unknown" beyond the list.
template <class E>
  requires std::is_enum_v<E>
constexpr std::string_view enumerator_name(E value) noexcept {
  auto const number = static_cast<std::size_t>(value);
  return number < enumerator_names<E>.size() ? enumerator_names<E>[number] : "unknown";
}

} // namespace mayfly::messages
