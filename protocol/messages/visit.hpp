#pragma once
// Walks a message's field list. Every codec, and whatever shows metadata to people, is written over this.
#include "protocol/messages/fields.hpp"

#include <tuple>
#include <utility>

namespace mayfly::messages {

/// Calls `visit(field, value)` for every field of the message in tag order; `field` has `tag` and `name`,
/// `value` is a reference into the message, const if the message is.
template <class M, class Visitor>
  requires message<std::remove_const_t<M>>
constexpr void for_each_field(M& owner, Visitor&& visit) {
  std::apply([&](auto const&... fields) { (visit(fields, owner.*(fields.member)), ...); },
             std::remove_const_t<M>::fields);
}

/// The number of fields in a message's list.
template <message M>
inline constexpr std::size_t field_count = std::tuple_size_v<std::remove_const_t<decltype(M::fields)>>;

} // namespace mayfly::messages
