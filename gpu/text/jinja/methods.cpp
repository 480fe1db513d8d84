// Methods of texts, lists and mappings, as Python has them; none that changes its object: jinja2's sandbox,
// which transformers uses, refuses those.
#include "gpu/text/jinja/tables.hpp"
#include "gpu/text/jinja/text_operations.hpp"
#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <utf8proc.h>

namespace mayfly::gpu::jinja {
namespace {

text const& required_text(interpreter& with, arguments const& given, std::size_t index,
                          std::string_view name) {
  auto const* found = text_argument(with, given, index, name);
  if (found == nullptr) with.refuse("a chat template gives no text where one is due");
  return *found;
}

template <side Where>
value strip_method(interpreter& with, value self, arguments const& given) {
  return with.make(strip(*self.characters, text_argument(with, given, 0, "chars"), Where));
}

template <letter_case To>
value case_method(interpreter& with, value self, arguments const&) {
  return with.make(change_case(with, *self.characters, To));
}

value split_method(interpreter& with, value self, arguments const& given) {
  return value(
      &split(with, *self.characters, text_argument(with, given, 0, "sep"), given.integer(1, "maxsplit", -1)));
}

value rsplit_method(interpreter& with, value self, arguments const& given) {
  return value(&split_from_right(with, *self.characters, text_argument(with, given, 0, "sep"),
                                 given.integer(1, "maxsplit", -1)));
}

value split_lines_method(interpreter& with, value self, arguments const& given) {
  return value(&split_lines(with, *self.characters, given.flag(0, "keepends")));
}

/// startswith and endswith take one text or a tuple of them.
template <class Matches>
value any_of_texts(interpreter& with, arguments const& given, Matches const& matches) {
  auto const wanted = given.get(0, "prefix");
  if (!wanted.is(kind::list)) return value(matches(required_text(with, given, 0, "prefix").view()));
  for (auto const& each : wanted.items->values)
    if (each.is(kind::text) && matches(each.characters->view())) return value(true);
  return value(false);
}

value starts_with(interpreter& with, value self, arguments const& given) {
  return any_of_texts(with, given,
                      [&](std::string_view part) { return self.characters->view().starts_with(part); });
}

value ends_with(interpreter& with, value self, arguments const& given) {
  return any_of_texts(with, given,
                      [&](std::string_view part) { return self.characters->view().ends_with(part); });
}

value replace_method(interpreter& with, value self, arguments const& given) {
  return with.make(replace(with, *self.characters, required_text(with, given, 0, "old"),
                           required_text(with, given, 1, "new"), given.integer(2, "count", -1)));
}

/// Characters in front of byte `at`, or -1 for npos.
value character_index(interpreter& with, text of, std::size_t at) {
  if (at == std::string_view::npos) return value(std::int64_t{-1});
  return value(static_cast<std::int64_t>(*length(with.make(of.sub(0, at)))));
}

value find(interpreter& with, value self, arguments const& given) {
  auto const at = self.characters->view().find(required_text(with, given, 0, "sub").view());
  return character_index(with, *self.characters, at);
}

value rfind(interpreter& with, value self, arguments const& given) {
  auto const at = self.characters->view().rfind(required_text(with, given, 0, "sub").view());
  return character_index(with, *self.characters, at);
}

value index_of(interpreter& with, value self, arguments const& given) {
  auto const found = find(with, self, given);
  if (found.integer < 0) with.refuse("a chat template looks for a text that is not there");
  return found;
}

value count_texts(interpreter& with, value self, arguments const& given) {
  auto const part = required_text(with, given, 0, "sub").view();
  if (part.empty()) return value(static_cast<std::int64_t>(*length(self)) + 1);
  std::int64_t count = 0;
  auto rest = self.characters->view();
  for (auto at = rest.find(part); at != std::string_view::npos; at = rest.find(part, at + part.size()))
    ++count;
  return value(count);
}

value join_method(interpreter& with, value self, arguments const& given) {
  auto const& parts = with.items_of(given.get(0, "iterable"));
  for (auto const& part : parts.values)
    if (!part.is(kind::text)) with.refuse("a chat template joins what are no texts");
  return with.make(join_texts(with, parts, *self.characters));
}

value remove_prefix(interpreter& with, value self, arguments const& given) {
  auto const part = required_text(with, given, 0, "prefix").view();
  return with.make(self.characters->sub(self.characters->view().starts_with(part) ? part.size() : 0));
}

value remove_suffix(interpreter& with, value self, arguments const& given) {
  auto const part = required_text(with, given, 0, "suffix").view();
  auto const of = *self.characters;
  return with.make(of.sub(0, of.size - (of.view().ends_with(part) ? part.size() : 0)));
}

/// True if there are characters, and `Holds` does for each.
template <bool (*Holds)(char32_t)>
value all_characters(interpreter&, value self, arguments const&) {
  for (auto rest = self.characters->view(); !rest.empty();) {
    auto const character = decode_utf8(rest);
    if (!Holds(character.code)) return value(false);
    rest.remove_prefix(character.bytes);
  }
  return value(!self.characters->empty());
}

utf8proc_category_t category_of(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}
bool is_digit(char32_t code) { return category_of(code) == UTF8PROC_CATEGORY_ND; }
bool is_letter(char32_t code) {
  return category_of(code) >= UTF8PROC_CATEGORY_LU && category_of(code) <= UTF8PROC_CATEGORY_LO;
}
bool is_numeric(char32_t code) {
  return category_of(code) >= UTF8PROC_CATEGORY_ND && category_of(code) <= UTF8PROC_CATEGORY_NO;
}
bool is_letter_or_number(char32_t code) { return is_letter(code) || is_numeric(code); }
bool is_space(char32_t code) { return is_python_space(code); }

/// str.isupper and islower: some character has case, and none has the other.
template <utf8proc_category_t Wanted, utf8proc_category_t Other>
value has_case(interpreter&, value self, arguments const&) {
  auto found = false;
  for (auto rest = self.characters->view(); !rest.empty();) {
    auto const character = decode_utf8(rest);
    auto const category = category_of(character.code);
    if (category == Other || category == UTF8PROC_CATEGORY_LT) return value(false);
    found = found || category == Wanted;
    rest.remove_prefix(character.bytes);
  }
  return value(found);
}

/// str.format with {}, {0} and {name}; conversions and widths are refused.
value format_method(interpreter& with, value self, arguments const& given) {
  auto& out = with.build();
  std::size_t next = 0;
  for (auto rest = *self.characters; !rest.empty();) {
    auto const brace = rest.view().find_first_of("{}");
    out.append(rest.sub(0, brace));
    if (brace == std::string_view::npos) break;
    rest = rest.sub(brace);
    auto const doubled = rest.size > 1 && rest.data[1] == rest.data[0];
    auto const end = rest.view().find('}');
    if (doubled) {
      out.append(rest.sub(0, 1));
      rest = rest.sub(2);
      continue;
    }
    if (rest.data[0] == '}' || end == std::string_view::npos)
      with.refuse("a chat template formats with unmatched braces");
    auto const field = rest.view().substr(1, end - 1);
    std::size_t index = SIZE_MAX;
    if (field.empty())
      index = next++;
    else
      std::from_chars(field.data(), field.data() + field.size(), index);
    auto const* found = given.find(index, field);
    if (found == nullptr) with.refuse("a chat template formats with a field that it does not give");
    out.append(with.as_text(*found));
    rest = rest.sub(end + 1);
  }
  return with.make(out);
}

value list_count(interpreter&, value self, arguments const& given) {
  std::int64_t count = 0;
  for (auto const& item : self.items->values) count += equal(item, given.get(0, "value"));
  return value(count);
}

value list_index(interpreter& with, value self, arguments const& given) {
  for (std::size_t at = 0; at < self.items->values.size(); ++at)
    if (equal(self.items->values[at], given.get(0, "value"))) return value(static_cast<std::int64_t>(at));
  with.refuse("a chat template looks for what is not in a list");
}

value mapping_items(interpreter& with, value self, arguments const& given) {
  return find_sequence_filter("items")(with, self, given);
}

value mapping_keys(interpreter& with, value self, arguments const&) { return value(&with.items_of(self)); }

value mapping_values(interpreter& with, value self, arguments const&) {
  auto& made = with.make_list();
  for (auto const& entry : self.entries->entries) made.values.push_back(entry.second);
  return value(&made);
}

value mapping_get(interpreter&, value self, arguments const& given) {
  auto const* found = self.entries->find(given.get(0, "key"));
  return found == nullptr ? given.get(1, "default", value::none()) : *found;
}

/// str.partition and rpartition: what stands in front of the separator, it, and what stands behind.
value partition_at(interpreter& with, text of, text separator, std::size_t at, bool all_in_front) {
  auto& parts = with.make_list(true);
  if (at == std::string_view::npos) {
    parts.values = {with.make(all_in_front ? of : text{}), with.make(text{}),
                    with.make(all_in_front ? text{} : of)};
    return value(&parts);
  }
  parts.values = {with.make(of.sub(0, at)), with.make(separator), with.make(of.sub(at + separator.size))};
  return value(&parts);
}

value partition(interpreter& with, value self, arguments const& given) {
  auto const& separator = required_text(with, given, 0, "sep");
  return partition_at(with, *self.characters, separator, self.characters->view().find(separator.view()),
                      true);
}

value rpartition(interpreter& with, value self, arguments const& given) {
  auto const& separator = required_text(with, given, 0, "sep");
  return partition_at(with, *self.characters, separator, self.characters->view().rfind(separator.view()),
                      false);
}

constexpr std::pair<std::string_view, native_function> text_methods[] = {
    {"strip", strip_method<side::both>},
    {"lstrip", strip_method<side::left>},
    {"rstrip", strip_method<side::right>},
    {"lower", case_method<letter_case::lower>},
    {"upper", case_method<letter_case::upper>},
    {"capitalize", case_method<letter_case::capital>},
    {"title", case_method<letter_case::words>},
    {"split", split_method},
    {"rsplit", rsplit_method},
    {"splitlines", split_lines_method},
    {"startswith", starts_with},
    {"endswith", ends_with},
    {"replace", replace_method},
    {"find", find},
    {"rfind", rfind},
    {"index", index_of},
    {"count", count_texts},
    {"join", join_method},
    {"partition", partition},
    {"rpartition", rpartition},
    {"format", format_method},
    {"removeprefix", remove_prefix},
    {"removesuffix", remove_suffix},
    {"isdigit", all_characters<is_digit>},
    {"isdecimal", all_characters<is_digit>},
    {"isnumeric", all_characters<is_numeric>},
    {"isalpha", all_characters<is_letter>},
    {"isalnum", all_characters<is_letter_or_number>},
    {"isspace", all_characters<is_space>},
    {"isupper", has_case<UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL>},
    {"islower", has_case<UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU>}};

constexpr std::pair<std::string_view, native_function> list_methods[] = {{"count", list_count},
                                                                         {"index", list_index}};

constexpr std::pair<std::string_view, native_function> mapping_methods[] = {
    {"items", mapping_items}, {"keys", mapping_keys}, {"values", mapping_values}, {"get", mapping_get}};

} // namespace

native_function find_text_method(std::string_view name) noexcept { return find_named(text_methods, name); }

native_function find_container_method(kind of, std::string_view name) noexcept {
  return of == kind::list ? find_named(list_methods, name) : find_named(mapping_methods, name);
}

} // namespace mayfly::gpu::jinja
