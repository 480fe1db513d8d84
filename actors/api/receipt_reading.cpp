// The inverse of write_receipt, over the same field lists.
#include "actors/api/draft.hpp"
#include "actors/api/json_document.hpp"
#include "actors/api/listing.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/messages/enumerators.hpp"
#include "protocol/messages/visit.hpp"

#include <limits>

namespace mayfly::actors::api {
namespace {

using boost::json::value;

template <messages::message M>
bool read_fields(value const& json, M& into);

template <class T>
bool read_whole(value const& json, T& into) {
  if (json.is_int64()) {
    auto const number = json.get_int64();
    if constexpr (std::is_unsigned_v<T>) {
      if (number < 0 || static_cast<std::uint64_t>(number) > std::numeric_limits<T>::max()) return false;
    } else if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
      return false;
    }
    into = static_cast<T>(number);
    return true;
  }
  if (!json.is_uint64() || !std::is_same_v<T, std::uint64_t>) return false;
  into = static_cast<T>(json.get_uint64());
  return true;
}

template <class E>
bool read_enumerator(std::string_view text, E& into) {
  for (std::size_t index = 0; index < messages::enumerator_names<E>.size(); ++index)
    if (messages::enumerator_names<E>[index] == text) {
      into = static_cast<E>(index);
      return true;
    }
  return false;
}

template <class T>
bool read_parsed(std::string_view text, T& into) {
  auto parsed = T::parse(text);
  if (parsed) into = std::move(*parsed);
  return parsed.has_value();
}

template <class T>
bool read_value(value const& json, T& into) {
  if constexpr (messages::message<T>) {
    return read_fields(json, into);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (json.is_bool()) into = json.get_bool();
    return json.is_bool();
  } else if constexpr (std::is_enum_v<T>) {
    return read_enumerator(text_or_empty(json), into);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return read_whole(json, into);
  } else if constexpr (std::is_same_v<T, messages::bytes32> || std::is_same_v<T, messages::bytes64>) {
    return crypto::from_hexadecimal(text_or_empty(json), into).has_value();
  } else {
    return read_parsed(text_or_empty(json), into); // names and ids
  }
}

template <class T>
bool read_value(value const& json, std::vector<T>& into) {
  if (!json.is_array()) return false;
  for (auto const& item : json.get_array())
    if (!read_value(item, into.emplace_back())) return false;
  return true;
}

template <messages::message M>
bool read_fields(value const& json, M& into) {
  if (!json.is_object() || json.get_object().size() != messages::field_count<M>) return false;
  bool fine = true;
  messages::for_each_field(into, [&](auto const& field, auto& member) {
    auto const key = field.name.view();
    auto const* found = json.get_object().if_contains({key.data(), key.size()});
    fine = fine && found != nullptr && read_value(*found, member);
  });
  return fine;
}

} // namespace

result<messages::signed_receipt> parse_receipt(std::string_view text) {
  auto document = json_document::parse(text, 16);
  if (!document) return document.failure();
  auto const* receipt = &(*document)->root();
  if (receipt->is_object())
    if (auto const* inner = receipt->get_object().if_contains("receipt")) receipt = inner;
  messages::signed_receipt made;
  if (!read_fields(*receipt, made)) return error{errc::malformed, "not a signed receipt", 0};
  return made;
}

} // namespace mayfly::actors::api
