#pragma once
// Messages to MessagePack and back, over their field lists. One canonical form, which signatures rely on:
//
//   message           map {tag: value}, tags ascending; a field is left out only if it is an empty optional,
//                     vector, ephemeral buffer or text, or an empty name
//   integers, enums   smallest form; durations as their count
//   bool, float, double   boolean, float 32, float 64
//   random_id         unsigned integer; request_id: array [retention, serial]
//   name              text; bytes32, bytes64: binary
//   ephemeral_text, ephemeral_bytes   binary
//   ephemeral_tokens, bias entries    binary: little-endian 32-bit words (bias: token, then IEEE float)
//   vector            array; optional: its value
//
// On decoding, content goes from the input straight into ephemeral memory. Missing fields keep their defaults
// and unknown tags are passed over, so that versions meet; a value of the wrong type or range, a tag twice
// and bytes behind the end are refused.
#include "protocol/messages/enumerators.hpp"
#include "protocol/messages/visit.hpp"
#include "protocol/msgpack/reader.hpp"
#include "protocol/msgpack/writer.hpp"

#include <bit>
#include <limits>
#include <new>

namespace mayfly::wire {

using messages::message;

namespace detail {

static_assert(std::endian::native == std::endian::little, "words of content are copied as they stand");

/// Elements of ephemeral buffers whose bytes may travel as they stand: no padding, one meaning.
template <class T>
concept travels_as_bytes = std::same_as<T, std::byte> || std::same_as<T, char> || std::same_as<T, token_id> ||
                           std::same_as<T, messages::bias_entry>;
static_assert(sizeof(messages::bias_entry) == 8);

template <class T>
struct is_duration : std::false_type {};
template <class Rep, class Period>
struct is_duration<std::chrono::duration<Rep, Period>> : std::true_type {};

template <class T>
constexpr bool is_fixed_bytes = std::same_as<T, messages::bytes32> || std::same_as<T, messages::bytes64>;
template <class T>
constexpr bool is_vector = messages::detail::is_vector<T>::value;
template <class T>
constexpr bool is_optional = messages::detail::is_optional<T>::value;

/// True if the field is left out of the encoding.
template <class T>
bool is_left_out(T const& value) {
  if constexpr (is_optional<T>)
    return !value.has_value();
  else if constexpr (is_vector<T> || is_ephemeral_v<T> || std::same_as<T, name>)
    return value.empty();
  else
    return false;
}

template <message M>
void write_message(writer& to, M const& value);

template <class T>
void write_number(writer& to, T value) {
  static_assert(std::integral<T>, "no field of a message may be of this type");
  if constexpr (std::is_signed_v<T>)
    to.signed_integer(value);
  else
    to.unsigned_integer(value);
}

template <class T>
void write_scalar(writer& to, T const& value) {
  if constexpr (std::same_as<T, bool>)
    to.boolean(value);
  else if constexpr (std::same_as<T, float>)
    to.float32(value);
  else if constexpr (std::same_as<T, double>)
    to.float64(value);
  else if constexpr (std::is_enum_v<T>)
    write_number(to, static_cast<std::underlying_type_t<T>>(value));
  else if constexpr (is_duration<T>::value)
    to.signed_integer(value.count());
  else if constexpr (std::same_as<T, name>)
    to.text(value.view());
  else if constexpr (is_fixed_bytes<T>)
    to.binary(value);
  else if constexpr (std::same_as<T, request_id>) {
    to.array(2);
    to.unsigned_integer(value.retention.value);
    to.unsigned_integer(value.serial);
  } else if constexpr (messages::detail::is_id<T>::value)
    to.unsigned_integer(value.value);
  else
    write_number(to, value);
}

template <class T>
void write_value(writer& to, T const& value) {
  if constexpr (is_optional<T>)
    write_value(to, *value);
  else if constexpr (is_vector<T>) {
    to.array(value.size());
    for (auto const& element : value) write_value(to, element);
  } else if constexpr (message<T>)
    write_message(to, value);
  else if constexpr (is_ephemeral_v<T>) {
    auto const content = value.reveal();
    static_assert(travels_as_bytes<std::remove_cvref_t<decltype(content[0])>>);
    to.binary(std::as_bytes(std::span(content.data(), content.size())));
  } else
    write_scalar(to, value);
}

/// The fields' tags and values alone; the map's head counts them (`entries_of`) and is written before.
template <message M>
void write_fields(writer& to, M const& value) {
  messages::for_each_field(value, [&](auto const& field, auto const& member) {
    if (is_left_out(member)) return;
    to.unsigned_integer(field.tag);
    write_value(to, member);
  });
}

template <message M>
std::size_t entries_of(M const& value) {
  std::size_t entries = 0;
  messages::for_each_field(value, [&](auto const&, auto const& member) { entries += !is_left_out(member); });
  return entries;
}

/// Room for what stands beside the content in most messages.
inline constexpr std::size_t usual_metadata_bytes = 240;

/// Bytes of content in a value, however deep: with it known, a buffer grows once and leaves no places to
/// wipe.
template <class T>
std::size_t content_bytes(T const& value) {
  std::size_t bytes = 0;
  if constexpr (is_ephemeral_v<T>)
    bytes = value.size_bytes();
  else if constexpr (!messages::holds_content<T>())
    bytes = 0;
  else if constexpr (is_optional<T>)
    bytes = value ? content_bytes(*value) : 0;
  else if constexpr (is_vector<T>)
    for (auto const& element : value) bytes += content_bytes(element);
  else
    messages::for_each_field(value, [&](auto const&, auto const& member) { bytes += content_bytes(member); });
  return bytes;
}

template <message M>
void write_message(writer& to, M const& value) {
  to.map(entries_of(value));
  write_fields(to, value);
}

template <message M>
void read_message(reader& from, M& value);

template <class T>
T read_number(reader& from) {
  if constexpr (std::is_signed_v<T>)
    return static_cast<T>(from.signed_integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  else
    return static_cast<T>(from.unsigned_integer(std::numeric_limits<T>::max()));
}

inline void read_name(reader& from, name& value) {
  auto const text = from.text();
  if (text.empty()) return; // an element of a vector may be empty; a field is left out
  auto parsed = name::parse(text);
  if (parsed)
    value = std::move(*parsed);
  else
    from.fail(errc::malformed, "a name holds letters, digits and ._:/@+*- only");
}

template <std::size_t Size>
void read_bytes(reader& from, std::array<std::byte, Size>& value) {
  auto const bytes = from.binary();
  if (bytes.size() != Size) return from.fail(errc::malformed, "a key, hash or signature of another length");
  std::copy(bytes.begin(), bytes.end(), value.begin());
}

inline void read_request_id(reader& from, request_id& value) {
  if (from.array() != 2) return from.fail(errc::malformed, "a request id has two parts");
  value.retention.value = read_number<std::uint64_t>(from);
  value.serial = read_number<std::uint64_t>(from);
}

template <class E>
E read_enumerator(reader& from) {
  auto const number = from.unsigned_integer(messages::enumerator_names<E>.size() - 1);
  return static_cast<E>(number);
}

template <class T>
void read_scalar(reader& from, T& value) {
  if constexpr (std::same_as<T, bool>)
    value = from.boolean();
  else if constexpr (std::same_as<T, float>)
    value = from.float32();
  else if constexpr (std::same_as<T, double>)
    value = from.float64();
  else if constexpr (std::is_enum_v<T>)
    value = read_enumerator<T>(from);
  else if constexpr (is_duration<T>::value)
    value = T(read_number<typename T::rep>(from));
  else if constexpr (std::same_as<T, name>)
    read_name(from, value);
  else if constexpr (is_fixed_bytes<T>)
    read_bytes(from, value);
  else if constexpr (std::same_as<T, request_id>)
    read_request_id(from, value);
  else if constexpr (messages::detail::is_id<T>::value)
    value.value = read_number<std::uint64_t>(from);
  else
    value = read_number<T>(from);
}

inline void read_content(reader& from, ephemeral_text& value) {
  auto const bytes = from.binary();
  value = ephemeral_text({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
}

template <travels_as_bytes T>
void read_content(reader& from, ephemeral_buffer<T>& value) {
  auto const bytes = from.binary();
  if (bytes.size() % sizeof(T) != 0) return from.fail(errc::malformed, "binary of half a word");
  value.clear();
  value.resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(static_cast<void*>(value.reveal().data()), bytes.data(), bytes.size());
}

template <class T>
void read_value(reader& from, T& value) {
  if constexpr (is_optional<T>)
    read_value(from, value.emplace());
  else if constexpr (is_vector<T>) {
    // The reader has seen every element already: this reserves no more than the input paid for.
    auto const count = from.array();
    value.clear();
    value.reserve(count);
    for (std::uint32_t index = 0; index < count && from.fine(); ++index)
      read_value(from, value.emplace_back());
  } else if constexpr (message<T>)
    read_message(from, value);
  else if constexpr (is_ephemeral_v<T>)
    read_content(from, value);
  else
    read_scalar(from, value);
}

template <message M>
void read_fields(reader& from, map_cursor& cursor, M& value) {
  messages::for_each_field(value, [&](auto const& field, auto& member) {
    cursor.at(field.tag, [&] { read_value(from, member); });
  });
}

template <message M>
void read_message(reader& from, M& value) {
  map_cursor cursor(from);
  read_fields(from, cursor, value);
  cursor.finish();
}

} // namespace detail

/// Appends the message's encoding to `out`. Throws std::bad_alloc where memory ends.
template <message M>
void encode(M const& value, ephemeral_bytes& out) {
  out.reserve(out.size() + detail::content_bytes(value) + detail::usual_metadata_bytes);
  writer to(out);
  detail::write_message(to, value);
}

/// Errors: malformed, truncated, too_large, out_of_memory (see `reader`). Nothing of the input is kept.
template <message M>
result<M> decode(std::span<std::byte const> input, limits const& bounds = {}) {
  try {
    reader from(input, bounds);
    M value;
    detail::read_message(from, value);
    if (!from.fine()) return from.failure();
    return value;
  } catch (std::bad_alloc const&) {
    return error{errc::out_of_memory, "no memory to decode a message", 0};
  }
}

} // namespace mayfly::wire
