#pragma once
// Values for every message kind, made from a seed over the field lists alone: a new message or field is
// covered as soon as the catalogue knows it. The golden vectors rest on the order of draws here: a change
// makes other samples, and so needs them written anew though the protocol is the same.
#include "protocol/messages/catalogue.hpp"
#include "protocol/messages/enumerators.hpp"
#include "protocol/messages/visit.hpp"

#include <cstring>

namespace mayfly::samples {

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere.
class dice {
public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    auto z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) { return bits() % bound; }
  /// Numbers of every length, so that each of MessagePack's forms appears.
  std::uint64_t number() { return bits() >> below(64); }

private:
  std::uint64_t state_;
};

template <class T>
void fill(T& value, dice& from);

inline std::string letters(dice& from, std::size_t count) {
  constexpr std::string_view alphabet =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@+*-";
  std::string text;
  while (text.size() < count) text.push_back(alphabet[from.below(alphabet.size())]);
  return text;
}

/// Mostly short; now and then beyond 8, and beyond 16 bits of length.
inline std::size_t content_size(dice& from) {
  switch (from.below(40)) {
  case 0:
    return 300 + from.below(100);
  case 1:
    return 66'000;
  default:
    return from.below(40);
  }
}

inline void fill_bytes(std::span<std::byte> bytes, dice& from) {
  for (auto& byte : bytes) byte = static_cast<std::byte>(from.bits() & 0xff);
}

template <class T>
void fill_scalar(T& value, dice& from) {
  if constexpr (std::same_as<T, bool>)
    value = from.below(2) == 1;
  else if constexpr (std::is_floating_point_v<T>)
    value = static_cast<T>(static_cast<std::int32_t>(from.bits())) / T{1024};
  else if constexpr (std::is_enum_v<T>)
    value = static_cast<T>(from.below(messages::enumerator_names<T>.size()));
  else if constexpr (std::is_integral_v<T>)
    value = static_cast<T>(from.below(2) == 1 ? from.number() : ~from.number() + 1);
  else if constexpr (std::same_as<T, name>)
    value = from.below(8) == 0 ? name() : *name::parse(letters(from, 1 + from.below(128)));
  else if constexpr (std::same_as<T, messages::bytes32> || std::same_as<T, messages::bytes64>)
    fill_bytes(value, from);
  else if constexpr (std::same_as<T, request_id>)
    value = {{from.number()}, from.number()};
  else if constexpr (messages::detail::is_id<T>::value)
    value = {from.number()};
  else
    value = T(static_cast<typename T::rep>(from.number()));
}

inline void fill_content(ephemeral_text& value, dice& from) {
  value.resize(content_size(from));
  fill_bytes(std::as_writable_bytes(value.characters().reveal()), from);
}
template <class T>
void fill_content(ephemeral_buffer<T>& value, dice& from) {
  value.resize(content_size(from));
  fill_bytes(std::as_writable_bytes(value.reveal()), from);
}
inline void fill_content(ephemeral_buffer<messages::bias_entry>& value, dice& from) {
  for (auto count = from.below(5); count > 0; --count) {
    messages::bias_entry entry;
    fill_scalar(entry.token, from);
    fill_scalar(entry.bias, from);
    value.push_back(entry);
  }
}

template <class T>
void fill(T& value, dice& from) {
  if constexpr (messages::detail::is_optional<T>::value) {
    if (from.below(2) == 1) fill(value.emplace(), from);
  } else if constexpr (messages::detail::is_vector<T>::value) {
    for (auto count = from.below(4); count > 0; --count) fill(value.emplace_back(), from);
  } else if constexpr (messages::message<T>)
    messages::for_each_field(value, [&](auto const&, auto& member) { fill(member, from); });
  else if constexpr (is_ephemeral_v<T>)
    fill_content(value, from);
  else
    fill_scalar(value, from);
}

/// One message of type M for each seed.
template <messages::message M>
M make(std::uint64_t seed) {
  dice from(seed);
  M value;
  fill(value, from);
  return value;
}

/// Equality over the field lists; reals by their bits.
template <class T>
bool same(T const& left, T const& right) {
  if constexpr (messages::detail::is_optional<T>::value)
    return left.has_value() == right.has_value() && (!left || same(*left, *right));
  else if constexpr (messages::detail::is_vector<T>::value) {
    if (left.size() != right.size()) return false;
    for (std::size_t index = 0; index < left.size(); ++index)
      if (!same(left[index], right[index])) return false;
    return true;
  } else if constexpr (messages::message<T>) {
    return std::apply(
        [&](auto const&... field) { return (same(left.*field.member, right.*field.member) && ...); },
        T::fields);
  } else if constexpr (is_ephemeral_v<T>) {
    auto const a = left.reveal();
    auto const b = right.reveal();
    return left.size_bytes() == right.size_bytes() &&
           (left.empty() || std::memcmp(a.data(), b.data(), left.size_bytes()) == 0);
  } else if constexpr (std::is_floating_point_v<T>)
    return std::memcmp(&left, &right, sizeof left) == 0;
  else
    return left == right;
}

} // namespace mayfly::samples
