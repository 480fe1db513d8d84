#include "gpu/text/jinja/python.hpp"

#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <iterator>

namespace mayfly::gpu::jinja {
namespace {

constexpr int deepest = 64;

void check_depth(int depth) {
  if (depth > deepest) fail(errc::too_large, "values in a chat template nest too deeply");
}

int sign(auto a, auto b) noexcept { return a < b ? -1 : (b < a ? 1 : 0); }

bool equal_lists(list const& a, list const& b, int depth) {
  if (a.tuple != b.tuple || a.values.size() != b.values.size()) return false;
  for (std::size_t at = 0; at < a.values.size(); ++at)
    if (!equal(a.values[at], b.values[at], depth + 1)) return false;
  return true;
}

bool equal_mappings(mapping const& a, mapping const& b, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  for (auto const& [key, held] : a.entries) {
    auto const* other = b.find(key);
    if (other == nullptr || !equal(held, *other, depth + 1)) return false;
  }
  return true;
}

int order_lists(list const& a, list const& b, int depth) {
  for (std::size_t at = 0; at < a.values.size() && at < b.values.size(); ++at)
    if (!equal(a.values[at], b.values[at], depth + 1)) return order(a.values[at], b.values[at], depth + 1);
  return sign(a.values.size(), b.values.size());
}

} // namespace

double as_real(value number) noexcept {
  return number.is(kind::real) ? number.real : static_cast<double>(as_integer(number));
}

std::int64_t as_integer(value number) noexcept {
  return number.is(kind::boolean) ? std::int64_t{number.boolean} : number.integer;
}

bool truth(value of) noexcept {
  switch (of.type) {
  case kind::undefined:
  case kind::none:
    return false;
  case kind::boolean:
    return of.boolean;
  case kind::integer:
    return of.integer != 0;
  case kind::real:
    return of.real != 0;
  case kind::text:
    return !of.characters->empty();
  case kind::list:
    return !of.items->values.empty();
  case kind::mapping:
    return !of.entries->entries.empty();
  case kind::name_space:
  case kind::loop:
  case kind::callable:
    return true;
  }
  return false;
}

bool equal(value a, value b, int depth) {
  check_depth(depth);
  if (a.is_number() && b.is_number()) {
    if (a.is(kind::real) || b.is(kind::real)) return as_real(a) == as_real(b);
    return as_integer(a) == as_integer(b);
  }
  if (a.type != b.type) return false;
  switch (a.type) {
  case kind::undefined:
  case kind::none:
    return true;
  case kind::text:
    return a.characters->view() == b.characters->view();
  case kind::list:
    return equal_lists(*a.items, *b.items, depth);
  case kind::mapping:
    return equal_mappings(*a.entries, *b.entries, depth);
  default:
    return a.entries == b.entries;
  }
}

int order(value a, value b, int depth) {
  check_depth(depth);
  if (a.is_number() && b.is_number()) {
    if (a.is(kind::real) || b.is(kind::real)) return sign(as_real(a), as_real(b));
    return sign(as_integer(a), as_integer(b));
  }
  // UTF-8 sorts as its code points do.
  if (a.is(kind::text) && b.is(kind::text))
    return sign(a.characters->view().compare(b.characters->view()), 0);
  if (a.is(kind::list) && b.is(kind::list)) return order_lists(*a.items, *b.items, depth);
  fail(errc::invalid_request, "a chat template compares what has no order");
}

void sort_by_first(std::pmr::vector<std::pair<value, value>>& pairs, bool reverse) {
  auto const before = [reverse](auto const& a, auto const& b) {
    auto const found = order(a.first, b.first);
    return reverse ? found > 0 : found < 0;
  };
  std::pmr::vector<std::pair<value, value>> merged(pairs.get_allocator());
  merged.reserve(pairs.size());
  for (std::size_t width = 1; width < pairs.size(); width *= 2) {
    merged.clear();
    for (std::size_t begin = 0; begin < pairs.size(); begin += 2 * width) {
      auto const at = [&](std::size_t index) {
        return pairs.begin() + static_cast<std::ptrdiff_t>(std::min(index, pairs.size()));
      };
      std::merge(at(begin), at(begin + width), at(begin + width), at(begin + 2 * width),
                 std::back_inserter(merged), before);
    }
    pairs.swap(merged);
  }
}

bool contains(value haystack, value needle) {
  switch (haystack.type) {
  case kind::undefined:
    return false;
  case kind::text:
    if (!needle.is(kind::text)) fail(errc::invalid_request, "a chat template looks for no text in a text");
    return haystack.characters->view().find(needle.characters->view()) != std::string_view::npos;
  case kind::list:
    for (auto const& item : haystack.items->values)
      if (equal(item, needle)) return true;
    return false;
  case kind::mapping:
    return haystack.entries->find(needle) != nullptr;
  default:
    fail(errc::invalid_request, "a chat template looks for something in what holds nothing");
  }
}

std::optional<std::size_t> length(value of) noexcept {
  switch (of.type) {
  case kind::undefined:
    return 0;
  case kind::list:
    return of.items->values.size();
  case kind::mapping:
    return of.entries->entries.size();
  case kind::loop:
    return of.loop->items->values.size();
  case kind::text: {
    std::size_t count = 0;
    for (auto const byte : of.characters->view())
      count += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
    return count;
  }
  default:
    return {};
  }
}

list* iterate(value over, arena& memory) {
  if (over.is(kind::list)) return over.items;
  auto* made = memory.make<list>(memory);
  if (over.is(kind::mapping))
    for (auto const& entry : over.entries->entries) made->values.push_back(entry.first);
  else if (over.is(kind::text))
    for (auto rest = *over.characters; !rest.empty();) {
      auto const size = decode_utf8(rest.view()).bytes;
      made->values.push_back(make_text(rest.sub(0, size), memory));
      rest = rest.sub(size);
    }
  else if (!over.is(kind::undefined))
    return nullptr;
  return made;
}

value make_text(text of, arena& memory) { return value(memory.make<text const>(of)); }

value const* mapping::find(value key) const {
  for (auto const& entry : entries)
    if (equal(entry.first, key)) return &entry.second;
  return nullptr;
}

value const* mapping::find(std::string_view key) const noexcept {
  for (auto const& entry : entries)
    if (entry.first.is(kind::text) && entry.first.characters->view() == key) return &entry.second;
  return nullptr;
}

void mapping::set(value key, value to) {
  for (auto& entry : entries)
    if (equal(entry.first, key)) {
      entry.second = to;
      return;
    }
  entries.emplace_back(key, to);
}

} // namespace mayfly::gpu::jinja
