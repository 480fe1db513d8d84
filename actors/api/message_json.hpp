#pragma once
// Messages as JSON, from the same field lists as on the wire. Metadata only: a message that can hold content
// does not compile.
#include "actors/api/json_writer.hpp"
#include "protocol/messages/enumerators.hpp"
#include "protocol/messages/visit.hpp"

namespace mayfly::actors::api {

template <messages::message M>
void write_message(json_writer& json, M const& message);

/// Ids and names are strings, enumerators their names, bytes hexadecimal.
template <class T>
void write_value(json_writer& json, T const& value) {
  if constexpr (messages::message<T>)
    write_message(json, value);
  else if constexpr (std::is_same_v<T, bool>)
    json.boolean(value);
  else if constexpr (std::is_enum_v<T>)
    json.string(messages::enumerator_name(value));
  else if constexpr (std::is_floating_point_v<T>)
    json.number(value);
  else if constexpr (std::is_unsigned_v<T>)
    json.number(std::uint64_t{value});
  else if constexpr (std::is_signed_v<T>)
    json.number(std::int64_t{value});
  else if constexpr (std::is_same_v<T, name>)
    json.string(value.view());
  else if constexpr (std::is_same_v<T, messages::bytes32> || std::is_same_v<T, messages::bytes64>)
    json.hexadecimal(value);
  else
    json.string(value.text()); // ids
}

template <class T>
void write_value(json_writer& json, std::vector<T> const& values) {
  json.raw("[");
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (index != 0) json.raw(",");
    write_value(json, values[index]);
  }
  json.raw("]");
}

template <messages::message M>
void write_message(json_writer& json, M const& message) {
  static_assert(messages::holds_metadata_only<M>());
  json.raw("{");
  bool first = true;
  messages::for_each_field(message, [&](auto const& field, auto const& value) {
    if (!first) json.raw(",");
    first = false;
    json.string(field.name.view()).raw(":");
    write_value(json, value);
  });
  json.raw("}");
}

} // namespace mayfly::actors::api
