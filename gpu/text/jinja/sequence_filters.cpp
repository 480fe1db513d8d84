// Filters on lists and mappings.
#include "gpu/text/jinja/tables.hpp"
#include "gpu/text/jinja/text_operations.hpp"

#include <algorithm>
#include <charconv>

namespace mayfly::gpu::jinja {
namespace {

/// "a.b.0" looked up step by step.
value look_up(interpreter& with, value of, value path) {
  if (path.is(kind::integer)) return with.get_item(of, path);
  auto rest = with.as_text(path).view();
  while (true) {
    auto const dot = rest.find('.');
    auto const part = rest.substr(0, dot);
    std::int64_t index = 0;
    auto const end = std::from_chars(part.data(), part.data() + part.size(), index);
    auto const numeric = !part.empty() && end.ec == std::errc() && end.ptr == part.data() + part.size();
    of = with.get_item(of, numeric ? value(index) : with.make(own_text(part)));
    if (dot == std::string_view::npos) return of;
    rest.remove_prefix(dot + 1);
  }
}

/// What jinja2 sorts and compares by: the attribute, texts without case unless asked.
value sort_key(interpreter& with, value of, value const* attribute, bool case_sensitive) {
  if (attribute != nullptr && !attribute->is(kind::none)) of = look_up(with, of, *attribute);
  if (of.is(kind::text) && !case_sensitive)
    return with.make(change_case(with, *of.characters, letter_case::lower));
  return of;
}

using keyed = std::pmr::vector<std::pair<value, value>>; ///< key, item

keyed keyed_items(interpreter& with, list const& items, value const* attribute, bool case_sensitive) {
  keyed pairs(with.memory().resource());
  for (auto const& item : items.values)
    pairs.emplace_back(sort_key(with, item, attribute, case_sensitive), item);
  return pairs;
}

void sort_pairs(interpreter& with, keyed& pairs, bool reverse) {
  with.charge_bytes(pairs.size() * 64 * 16);
  sort_by_first(pairs, reverse);
}

value list_of(interpreter& with, keyed const& pairs) {
  auto& made = with.make_list();
  for (auto const& pair : pairs) made.values.push_back(pair.second);
  return value(&made);
}

value count(interpreter& with, value self, arguments const&) {
  auto const found = length(self);
  if (!found) with.refuse("a chat template wants the length of what has none");
  return value(static_cast<std::int64_t>(*found));
}

value first(interpreter& with, value self, arguments const&) {
  auto const& items = with.items_of(self).values;
  return items.empty() ? value() : items.front();
}

value last(interpreter& with, value self, arguments const&) {
  auto const& items = with.items_of(self).values;
  return items.empty() ? value() : items.back();
}

value to_list(interpreter& with, value self, arguments const&) {
  auto& made = with.make_list();
  made.values = with.items_of(self).values;
  return value(&made);
}

value join_filter(interpreter& with, value self, arguments const& given) {
  auto& parts = with.make_list();
  auto const* attribute = given.find(1, "attribute");
  for (auto const& item : with.items_of(self).values)
    parts.values.push_back(attribute == nullptr ? item : look_up(with, item, *attribute));
  return with.make(join_texts(with, parts, with.as_text(given.get(0, "d"))));
}

value reverse(interpreter& with, value self, arguments const&) {
  auto& made = with.make_list();
  made.values = with.items_of(self).values;
  std::reverse(made.values.begin(), made.values.end());
  return self.is(kind::text) ? with.make(join_texts(with, made, {})) : value(&made);
}

value pair_of(interpreter& with, value a, value b) {
  auto& made = with.make_list(true);
  made.values.push_back(a);
  made.values.push_back(b);
  return value(&made);
}

value items(interpreter& with, value self, arguments const&) {
  auto& made = with.make_list();
  if (self.is(kind::undefined)) return value(&made);
  if (!self.is(kind::mapping)) with.refuse("a chat template wants the items of what is no mapping");
  for (auto const& [key, held] : self.entries->entries) made.values.push_back(pair_of(with, key, held));
  return value(&made);
}

value sort_mapping(interpreter& with, value self, arguments const& given) {
  if (!self.is(kind::mapping)) with.refuse("a chat template sorts what is no mapping");
  auto const by_value = with.as_text(given.get(1, "by")).view() == "value";
  keyed pairs(with.memory().resource());
  for (auto const& [key, held] : self.entries->entries)
    pairs.emplace_back(sort_key(with, by_value ? held : key, nullptr, given.flag(0, "case_sensitive")),
                       pair_of(with, key, held));
  sort_pairs(with, pairs, given.flag(2, "reverse"));
  return list_of(with, pairs);
}

value sort(interpreter& with, value self, arguments const& given) {
  auto pairs =
      keyed_items(with, with.items_of(self), given.find(2, "attribute"), given.flag(1, "case_sensitive"));
  sort_pairs(with, pairs, given.flag(0, "reverse"));
  return list_of(with, pairs);
}

value unique(interpreter& with, value self, arguments const& given) {
  auto const pairs =
      keyed_items(with, with.items_of(self), given.find(1, "attribute"), given.flag(0, "case_sensitive"));
  auto& seen = with.make_list();
  auto& made = with.make_list();
  for (auto const& [key, item] : pairs) {
    with.charge_bytes(seen.values.size() * 64);
    if (contains(value(&seen), key)) continue;
    seen.values.push_back(key);
    made.values.push_back(item);
  }
  return value(&made);
}

value extreme(interpreter& with, value self, arguments const& given, int wanted) {
  auto const pairs =
      keyed_items(with, with.items_of(self), given.find(1, "attribute"), given.flag(0, "case_sensitive"));
  if (pairs.empty()) return {};
  auto best = pairs.front();
  for (auto const& pair : pairs)
    if (order(pair.first, best.first) * wanted > 0) best = pair;
  return best.second;
}

value smallest(interpreter& with, value self, arguments const& given) {
  return extreme(with, self, given, -1);
}
value largest(interpreter& with, value self, arguments const& given) { return extreme(with, self, given, 1); }

value sum(interpreter& with, value self, arguments const& given) {
  auto total = given.get(1, "start", value(std::int64_t{0}));
  auto const* attribute = given.find(0, "attribute");
  for (auto const& item : with.items_of(self).values) {
    auto const part =
        attribute == nullptr || attribute->is(kind::none) ? item : look_up(with, item, *attribute);
    total = compute(with, total, operation::add, part);
  }
  return total;
}

/// `given` without its first `count` positional arguments.
arguments without_first(interpreter& with, arguments const& given, std::size_t count) {
  arguments rest(with.memory());
  if (given.positional.size() > count)
    rest.positional.assign(given.positional.begin() + static_cast<std::ptrdiff_t>(count),
                           given.positional.end());
  rest.named = given.named;
  return rest;
}

value map(interpreter& with, value self, arguments const& given) {
  auto& made = with.make_list();
  auto const* attribute = given.find(SIZE_MAX, "attribute");
  if (attribute == nullptr && given.positional.empty()) with.refuse("a chat template maps without a filter");
  auto const name = attribute == nullptr ? with.as_text(given.positional[0]).view() : std::string_view();
  auto const rest = without_first(with, given, 1);
  if (!truth(self)) return value(&made); // as jinja2: none is as good as empty here
  for (auto const& item : with.items_of(self).values) {
    if (attribute == nullptr) {
      made.values.push_back(with.apply_filter(name, item, rest));
      continue;
    }
    auto const found = look_up(with, item, *attribute);
    made.values.push_back(found.is(kind::undefined) ? given.get(SIZE_MAX, "default", found) : found);
  }
  return value(&made);
}

/// select, reject and their kin: `offset` arguments come before the test's name.
value choose(interpreter& with, value self, arguments const& given, bool wanted, std::size_t offset) {
  auto& made = with.make_list();
  if (given.positional.size() < offset) with.refuse("a chat template selects by no attribute");
  auto const named = given.positional.size() > offset;
  auto const name = named ? with.as_text(given.positional[offset]).view() : std::string_view();
  auto const rest = without_first(with, given, offset + 1);
  if (!truth(self)) return value(&made);
  for (auto const& item : with.items_of(self).values) {
    auto const subject = offset == 0 ? item : look_up(with, item, given.positional[0]);
    auto const holds = named ? with.apply_test(name, subject, rest) : truth(subject);
    if (holds == wanted) made.values.push_back(item);
  }
  return value(&made);
}

value select(interpreter& with, value self, arguments const& given) {
  return choose(with, self, given, true, 0);
}
value reject(interpreter& with, value self, arguments const& given) {
  return choose(with, self, given, false, 0);
}
value select_by(interpreter& with, value self, arguments const& given) {
  return choose(with, self, given, true, 1);
}
value reject_by(interpreter& with, value self, arguments const& given) {
  return choose(with, self, given, false, 1);
}

value batch(interpreter& with, value self, arguments const& given) {
  auto const size = static_cast<std::size_t>(std::max<std::int64_t>(1, given.integer(0, "linecount", 1)));
  auto const* filler = given.find(1, "fill_with");
  auto& made = with.make_list();
  list* row = nullptr;
  for (auto const& item : with.items_of(self).values) {
    if (row == nullptr || row->values.size() == size) made.values.push_back(value(row = &with.make_list()));
    row->values.push_back(item);
  }
  while (row != nullptr && filler != nullptr && !filler->is(kind::none) && row->values.size() < size) {
    with.charge_bytes(64);
    row->values.push_back(*filler);
  }
  return value(&made);
}

value group_by(interpreter& with, value self, arguments const& given) {
  auto const* attribute = given.find(0, "attribute");
  auto pairs = keyed_items(with, with.items_of(self), attribute, given.flag(2, "case_sensitive"));
  sort_pairs(with, pairs, false);
  auto& made = with.make_list();
  for (std::size_t at = 0; at < pairs.size();) {
    auto& group = with.make_list();
    auto const key = pairs[at].first;
    auto const shown = attribute == nullptr ? key : look_up(with, pairs[at].second, *attribute);
    for (; at < pairs.size() && equal(pairs[at].first, key); ++at) group.values.push_back(pairs[at].second);
    made.values.push_back(pair_of(with, shown, value(&group)));
  }
  return value(&made);
}

value attribute_of(interpreter& with, value self, arguments const& given) {
  return with.get_attribute(self, with.as_text(given.get(0, "name")).view());
}

constexpr std::pair<std::string_view, native_function> filters[] = {{"length", count},
                                                                    {"count", count},
                                                                    {"first", first},
                                                                    {"last", last},
                                                                    {"list", to_list},
                                                                    {"join", join_filter},
                                                                    {"reverse", reverse},
                                                                    {"items", items},
                                                                    {"dictsort", sort_mapping},
                                                                    {"sort", sort},
                                                                    {"unique", unique},
                                                                    {"min", smallest},
                                                                    {"max", largest},
                                                                    {"sum", sum},
                                                                    {"map", map},
                                                                    {"select", select},
                                                                    {"reject", reject},
                                                                    {"selectattr", select_by},
                                                                    {"rejectattr", reject_by},
                                                                    {"batch", batch},
                                                                    {"groupby", group_by},
                                                                    {"attr", attribute_of}};

} // namespace

native_function find_sequence_filter(std::string_view name) noexcept { return find_named(filters, name); }

} // namespace mayfly::gpu::jinja
