#pragma once
// One field list a message, which serves every codec. A message is an aggregate with
//
//   static constexpr auto fields = field_list(field{1, "request", &placement_request::request}, ...);
//
// Tags are 1 to 127, unique within the message and never reused: they are what travels. Names are for JSON
// and for people. A field's type comes from the closed list below: metadata types, ephemeral types, nested
// messages, and optionals and vectors of these. Anything else (std::string above all) does not compile.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/ids.hpp"
#include "protocol/base/literal.hpp"
#include "protocol/base/name.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

namespace mayfly::messages {

template <class Owner, class Member>
struct field {
  using owner_type = Owner;
  using member_type = Member;
  std::uint8_t tag;
  literal name;
  Member Owner::* member;
  consteval field(std::uint8_t tag_value, literal name_value, Member Owner::* pointer)
      : tag(tag_value), name(name_value), member(pointer) {}
};

template <class... Fields>
consteval auto field_list(Fields... fields) {
  std::uint8_t last = 0;
  // Ascending tags: unique, and encoded in one order (signatures rely on it).
  auto ascending = [&](std::uint8_t tag) {
    bool const fine = tag > last && tag < 128;
    last = tag;
    return fine;
  };
  if (!(ascending(fields.tag) && ...)) throw "field tags must ascend within 1..127";
  return std::tuple<Fields...>{fields...};
}

template <class T>
concept message = requires { T::fields; };

namespace detail {
template <class T>
struct element {
  using type = void;
};
template <class T>
struct element<std::vector<T>> {
  using type = T;
};
template <class T>
struct element<std::optional<T>> {
  using type = T;
};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_id : std::false_type {};
template <class Tag>
struct is_id<random_id<Tag>> : std::true_type {};
template <>
struct is_id<request_id> : std::true_type {};
} // namespace detail

/// 32 bytes that are public: a key, a fingerprint, a hash over metadata.
using bytes32 = std::array<std::byte, 32>;
/// An Ed25519 signature.
using bytes64 = std::array<std::byte, 64>;

template <class T>
concept metadata_scalar =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, name> || std::same_as<T, bytes32> ||
    std::same_as<T, bytes64> || std::same_as<T, std::chrono::milliseconds> ||
    std::same_as<T, std::chrono::microseconds> || detail::is_id<T>::value;

template <class T>
consteval bool holds_content();
template <class T>
consteval bool holds_metadata_only();

namespace detail {
template <class Fields>
struct members;
template <class... Fields>
struct members<std::tuple<Fields...> const> {
  static constexpr bool any_content = (holds_content<typename Fields::member_type>() || ...);
  static constexpr bool all_metadata = (holds_metadata_only<typename Fields::member_type>() && ...);
};
} // namespace detail

/// True if a value of T can hold content, however deep.
template <class T>
consteval bool holds_content() {
  if constexpr (is_ephemeral_v<T>)
    return true;
  else if constexpr (detail::is_vector<T>::value || detail::is_optional<T>::value)
    return holds_content<typename detail::element<T>::type>();
  else if constexpr (message<T>)
    return detail::members<decltype(T::fields)>::any_content;
  else
    return false;
}

/// True if T consists of the closed list of metadata types alone.
template <class T>
consteval bool holds_metadata_only() {
  if constexpr (metadata_scalar<T>)
    return true;
  else if constexpr (detail::is_vector<T>::value || detail::is_optional<T>::value)
    return holds_metadata_only<typename detail::element<T>::type>();
  else if constexpr (message<T>)
    return detail::members<decltype(T::fields)>::all_metadata;
  else
    return false;
}

} // namespace mayfly::messages
