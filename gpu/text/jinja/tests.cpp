// What stands behind `is`.
#include "gpu/text/jinja/tables.hpp"

namespace mayfly::gpu::jinja {
namespace {

template <kind Wanted>
value is_kind(interpreter&, value self, arguments const&) {
  return value(self.is(Wanted));
}

value is_defined(interpreter&, value self, arguments const&) { return value(!self.is(kind::undefined)); }
value is_number(interpreter&, value self, arguments const&) { return value(self.is_number()); }
value is_true(interpreter&, value self, arguments const&) {
  return value(self.is(kind::boolean) && self.boolean);
}
value is_false(interpreter&, value self, arguments const&) {
  return value(self.is(kind::boolean) && !self.boolean);
}

/// Python asks for a length and for items by index: mappings pass.
value is_sequence(interpreter&, value self, arguments const&) {
  return value(self.is(kind::text) || self.is(kind::list) || self.is(kind::mapping));
}

value is_iterable(interpreter&, value self, arguments const&) {
  return value(self.is(kind::text) || self.is(kind::list) || self.is(kind::mapping) ||
               self.is(kind::undefined) || self.is(kind::loop));
}

value is_equal(interpreter&, value self, arguments const& given) {
  return value(equal(self, given.get(0, "other")));
}
value is_unequal(interpreter&, value self, arguments const& given) {
  return value(!equal(self, given.get(0, "other")));
}
value is_less(interpreter&, value self, arguments const& given) {
  return value(order(self, given.get(0, "other")) < 0);
}
value is_greater(interpreter&, value self, arguments const& given) {
  return value(order(self, given.get(0, "other")) > 0);
}
value is_at_most(interpreter&, value self, arguments const& given) {
  return value(order(self, given.get(0, "other")) <= 0);
}
value is_at_least(interpreter&, value self, arguments const& given) {
  return value(order(self, given.get(0, "other")) >= 0);
}
value is_in(interpreter&, value self, arguments const& given) {
  return value(contains(given.get(0, "seq"), self));
}

value is_divisible(interpreter& with, value self, arguments const& given) {
  auto const by = given.integer(0, "num", 0);
  if (by == 0 || !self.is(kind::integer)) with.refuse("a chat template divides by zero");
  return value(self.integer % (by == -1 ? 1 : by) == 0);
}

value is_odd(interpreter&, value self, arguments const&) {
  return value(self.is_number() && !self.is(kind::real) && as_integer(self) % 2 != 0);
}
value is_even(interpreter&, value self, arguments const&) {
  return value(self.is_number() && !self.is(kind::real) && as_integer(self) % 2 == 0);
}

/// `is` for small things: none, truth values and undefined are one; others where they are the same object.
value is_same(interpreter&, value self, arguments const& given) {
  auto const other = given.get(0, "other");
  if (self.type != other.type) return value(false);
  if (self.is(kind::none) || self.is(kind::undefined)) return value(true);
  if (self.is(kind::text) || self.is_number()) return value(equal(self, other));
  return value(self.entries == other.entries);
}

value is_lower(interpreter& with, value self, arguments const& given) {
  return self.is(kind::text) ? find_text_method("islower")(with, self, given) : value(false);
}
value is_upper(interpreter& with, value self, arguments const& given) {
  return self.is(kind::text) ? find_text_method("isupper")(with, self, given) : value(false);
}

value is_filter(interpreter& with, value self, arguments const&) {
  auto const name = with.as_text(self).view();
  return value(find_text_filter(name) != nullptr || find_sequence_filter(name) != nullptr);
}
value is_test(interpreter& with, value self, arguments const&) {
  return value(find_test(with.as_text(self).view()) != nullptr);
}
value is_escaped(interpreter&, value, arguments const&) { return value(false); }

constexpr std::pair<std::string_view, native_function> tests[] = {{"defined", is_defined},
                                                                  {"undefined", is_kind<kind::undefined>},
                                                                  {"none", is_kind<kind::none>},
                                                                  {"string", is_kind<kind::text>},
                                                                  {"mapping", is_kind<kind::mapping>},
                                                                  {"boolean", is_kind<kind::boolean>},
                                                                  {"integer", is_kind<kind::integer>},
                                                                  {"float", is_kind<kind::real>},
                                                                  {"callable", is_kind<kind::callable>},
                                                                  {"number", is_number},
                                                                  {"true", is_true},
                                                                  {"false", is_false},
                                                                  {"sequence", is_sequence},
                                                                  {"iterable", is_iterable},
                                                                  {"eq", is_equal},
                                                                  {"==", is_equal},
                                                                  {"equalto", is_equal},
                                                                  {"ne", is_unequal},
                                                                  {"!=", is_unequal},
                                                                  {"lt", is_less},
                                                                  {"<", is_less},
                                                                  {"lessthan", is_less},
                                                                  {"gt", is_greater},
                                                                  {">", is_greater},
                                                                  {"greaterthan", is_greater},
                                                                  {"le", is_at_most},
                                                                  {"<=", is_at_most},
                                                                  {"ge", is_at_least},
                                                                  {">=", is_at_least},
                                                                  {"in", is_in},
                                                                  {"divisibleby", is_divisible},
                                                                  {"odd", is_odd},
                                                                  {"even", is_even},
                                                                  {"sameas", is_same},
                                                                  {"lower", is_lower},
                                                                  {"upper", is_upper},
                                                                  {"filter", is_filter},
                                                                  {"test", is_test},
                                                                  {"escaped", is_escaped}};

} // namespace

native_function find_test(std::string_view name) noexcept { return find_named(tests, name); }

} // namespace mayfly::gpu::jinja
