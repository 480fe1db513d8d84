#pragma once
// Python's rules for values: truth, equality, order, iteration, text.
#include "gpu/text/jinja/value.hpp"

#include <optional>

namespace mayfly::gpu::jinja {

bool truth(value of) noexcept;
bool equal(value a, value b, int depth = 0);
/// -1, 0 or 1; fails where Python knows no order.
int order(value a, value b, int depth = 0);
/// Sorts by the first of each pair, those that are equal as they stand (a merge sort: no order that values
/// claim can lead it astray). Takes its scratch from the vector's own memory.
void sort_by_first(std::pmr::vector<std::pair<value, value>>& pairs, bool reverse);
/// `needle in haystack`.
bool contains(value haystack, value needle);
/// len(); none where there is no length.
std::optional<std::size_t> length(value of) noexcept;
/// What a for loop sees; none where there is nothing to iterate over.
list* iterate(value over, arena& memory);

/// str(); undefined is empty.
text to_text(value of, arena& memory);
/// repr(), appended.
void append_representation(value of, text_builder& to, int depth = 0);
/// repr() of a float: the shortest digits that read back the same.
void append_real(double number, origin from, text_builder& to);

struct json_style {
  std::optional<std::int64_t> indent; ///< columns a level; none: one line
  text item_separator;
  text key_separator;
  bool ascii = false;
  bool sorted = false;
};
/// json.dumps(); fails on what is no JSON.
void append_json(value of, json_style const& style, text_builder& to, int depth = 0);

/// A new text value in `memory`.
value make_text(text of, arena& memory);
inline value make_text(text_builder const& builder, arena& memory) {
  return make_text(builder.result(), memory);
}

/// Numbers as Python's operators see them.
double as_real(value number) noexcept;
std::int64_t as_integer(value number) noexcept; ///< of a boolean or an integer

} // namespace mayfly::gpu::jinja
