// Expressions.
#include "gpu/text/jinja/interpreter.hpp"
#include "gpu/text/jinja/tables.hpp"

#include <algorithm>
#include <cstdlib>

namespace mayfly::gpu::jinja {

void interpreter::charge(std::size_t steps) {
  steps_ += steps;
  if (steps_ > bounds_.steps) fail(errc::too_large, "a chat template took more steps than it may", line_);
}

list& interpreter::items_of(value over) {
  auto* items = iterate(over, memory_);
  if (items == nullptr) refuse("a chat template iterates over what has no items");
  charge(items->values.size() / 8);
  return *items;
}

value interpreter::evaluate(expression const& what, scope& names) {
  nesting const guard(*this);
  charge(1);
  line_ = what.line;
  auto const operand = [&](std::size_t at) { return evaluate(*what.children[at], names); };
  switch (what.kind) {
  case expression_kind::text:
    return make(own_text(what.name));
  case expression_kind::integer:
    return value(what.integer);
  case expression_kind::real:
    return value(what.real);
  case expression_kind::boolean:
    return value(what.integer != 0);
  case expression_kind::none:
    return value::none();
  case expression_kind::variable:
    if (auto const* found = names.find(what.name)) return *found;
    if (auto const native = find_function(what.name))
      return value(memory_.make<callable const>(callable{nullptr, nullptr, native, {}}));
    return {};
  case expression_kind::list:
  case expression_kind::tuple:
    return evaluate_items(what, names);
  case expression_kind::mapping:
    return evaluate_mapping(what, names);
  case expression_kind::negative:
  case expression_kind::positive:
  case expression_kind::negation:
  case expression_kind::conjunction:
  case expression_kind::disjunction:
  case expression_kind::arithmetic:
  case expression_kind::comparison:
  case expression_kind::conditional:
    return evaluate_operator(what, names);
  case expression_kind::attribute:
    return get_attribute(operand(0), what.name);
  case expression_kind::item: {
    auto const object = operand(0);
    return get_item(object, operand(1));
  }
  case expression_kind::slice:
    return evaluate_slice(what, names);
  case expression_kind::call:
    return evaluate_call(what, names, nullptr);
  case expression_kind::filter:
    return evaluate_filter(what, names, nullptr);
  case expression_kind::test: {
    auto const subject = operand(0);
    return value(apply_test(what.name, subject, evaluate_arguments(what.arguments, names)));
  }
  }
  return {};
}

value interpreter::evaluate_operator(expression const& what, scope& names) {
  auto const operand = [&](std::size_t at) { return evaluate(*what.children[at], names); };
  switch (what.kind) {
  case expression_kind::negative:
    return compute(*this, value(std::int64_t{0}), operation::subtract, operand(0));
  case expression_kind::positive:
    return compute(*this, value(std::int64_t{0}), operation::add, operand(0));
  case expression_kind::negation:
    return value(!truth(operand(0)));
  case expression_kind::conjunction: {
    auto const left = operand(0);
    return truth(left) ? operand(1) : left;
  }
  case expression_kind::disjunction: {
    auto const left = operand(0);
    return truth(left) ? left : operand(1);
  }
  case expression_kind::arithmetic:
    return evaluate_arithmetic(what, names);
  case expression_kind::comparison:
    return evaluate_comparison(what, names);
  case expression_kind::conditional:
    if (truth(operand(0))) return operand(1);
    return what.children[2] == nullptr ? value() : operand(2);
  default:
    return {};
  }
}

value interpreter::evaluate_items(expression const& what, scope& names) {
  auto& made = make_list(what.kind == expression_kind::tuple);
  made.values.reserve(what.children.size());
  for (auto const& child : what.children) made.values.push_back(evaluate(*child, names));
  return value(&made);
}

value interpreter::evaluate_mapping(expression const& what, scope& names) {
  auto* made = memory_.make<mapping>(memory_);
  for (std::size_t at = 0; at + 1 < what.children.size(); at += 2) {
    auto const key = evaluate(*what.children[at], names);
    made->set(key, evaluate(*what.children[at + 1], names));
  }
  return value(made);
}

value interpreter::evaluate_arithmetic(expression const& what, scope& names) {
  auto const left = evaluate(*what.children[0], names);
  auto const right = evaluate(*what.children[1], names);
  line_ = what.line;
  return compute(*this, left, what.operates, right);
}

value interpreter::evaluate_comparison(expression const& what, scope& names) {
  auto left = evaluate(*what.children[0], names);
  for (std::size_t at = 0; at < what.comparisons.size(); ++at) {
    auto const right = evaluate(*what.children[at + 1], names);
    if (!relate(left, what.comparisons[at], right)) return value(false);
    left = right;
  }
  return value(true);
}

bool interpreter::relate(value left, relation how, value right) {
  if (left.is(kind::text)) charge_bytes(left.characters->size);
  if (right.is(kind::text)) charge_bytes(right.characters->size);
  if (right.is(kind::list)) charge(right.items->values.size());
  switch (how) {
  case relation::equal:
    return equal(left, right);
  case relation::unequal:
    return !equal(left, right);
  case relation::less:
    return order(left, right) < 0;
  case relation::less_equal:
    return order(left, right) <= 0;
  case relation::greater:
    return order(left, right) > 0;
  case relation::greater_equal:
    return order(left, right) >= 0;
  case relation::in:
    return contains(right, left);
  case relation::not_in:
    return !contains(right, left);
  }
  return false;
}

namespace {

struct slice_bounds {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t step;
};

/// Python's slice.indices.
slice_bounds resolve_slice(value begin, value end, value step, std::int64_t size) {
  auto const given = [](value of) { return of.is(kind::integer) || of.is(kind::boolean); };
  auto const stride = given(step) ? as_integer(step) : 1;
  auto const lowest = stride < 0 ? std::int64_t{-1} : 0;
  auto const highest = stride < 0 ? size - 1 : size;
  auto const clamp = [&](value of, std::int64_t otherwise) {
    if (!given(of)) return otherwise;
    auto const at = as_integer(of) < 0 ? as_integer(of) + size : as_integer(of);
    return std::min(std::max(at, lowest), highest);
  };
  return {clamp(begin, stride < 0 ? highest : lowest), clamp(end, stride < 0 ? lowest : highest), stride};
}

} // namespace

value interpreter::evaluate_slice(expression const& what, scope& names) {
  value given[4];
  for (std::size_t at = 0; at < 4; ++at)
    if (what.children[at] != nullptr) given[at] = evaluate(*what.children[at], names);
  auto const object = given[0];
  if (!object.is(kind::text) && !object.is(kind::list)) refuse("a chat template slices what is no sequence");
  auto const& items = items_of(object);
  auto const bounds =
      resolve_slice(given[1], given[2], given[3], static_cast<std::int64_t>(items.values.size()));
  if (bounds.step == 0) refuse("a chat template slices with a step of zero");
  auto& chosen = make_list(object.is(kind::list) && object.items->tuple);
  for (auto at = bounds.begin; bounds.step > 0 ? at < bounds.end : at > bounds.end; at += bounds.step) {
    chosen.values.push_back(items.values[static_cast<std::size_t>(at)]);
    if (std::abs(bounds.step) > static_cast<std::int64_t>(items.values.size())) break;
  }
  if (object.is(kind::list)) return value(&chosen);
  auto& joined = build();
  for (auto const& character : chosen.values) joined.append(*character.characters);
  return make(joined);
}

arguments interpreter::evaluate_arguments(std::vector<argument> const& given, scope& names) {
  arguments evaluated(memory_);
  for (auto const& [name, expression] : given) {
    auto const of = evaluate(*expression, names);
    if (name.empty())
      evaluated.positional.push_back(of);
    else
      evaluated.named.emplace_back(name, of);
  }
  return evaluated;
}

value interpreter::evaluate_filter(expression const& what, scope& names, value const* body) {
  auto const* below = what.children[0].get();
  value subject;
  if (below == nullptr)
    subject = body == nullptr ? value() : *body;
  else if (body != nullptr)
    subject = evaluate_filter(*below, names, body);
  else
    subject = evaluate(*below, names);
  auto const given = evaluate_arguments(what.arguments, names);
  line_ = what.line;
  return apply_filter(what.name, subject, given);
}

value interpreter::evaluate_call(expression const& what, scope& names, value const* caller) {
  auto const callee = evaluate(*what.children[0], names);
  auto given = evaluate_arguments(what.arguments, names);
  if (caller != nullptr) given.named.emplace_back("caller", *caller);
  line_ = what.line;
  return call(callee, given);
}

value interpreter::call(value callee, arguments const& given) {
  if (!callee.is(kind::callable) && !callee.is(kind::loop))
    refuse("a chat template calls what is no function");
  nesting const guard(*this);
  charge(1);
  if (callee.is(kind::loop)) return call_loop(*callee.loop, given);
  auto const& function = *callee.function;
  return function.macro != nullptr ? call_macro(function, given)
                                   : function.native(*this, function.self, given);
}

value interpreter::call_macro(callable const& of, arguments const& given) {
  auto const& parameters = of.macro->parameters;
  auto& names = *memory_.make<scope>(memory_, of.home);
  for (std::size_t at = 0; at < parameters.size(); ++at) {
    auto const* found = given.find(at, parameters[at].name);
    if (found != nullptr)
      names.set(parameters[at].name, *found);
    else if (parameters[at].given != nullptr)
      names.set(parameters[at].name, evaluate(*parameters[at].given, names));
    else
      names.set(parameters[at].name, value());
  }
  auto& rest = make_list(true);
  for (auto at = parameters.size(); at < given.positional.size(); ++at)
    rest.values.push_back(given.positional[at]);
  names.set("varargs", value(&rest));
  if (auto const* caller = given.find(SIZE_MAX, "caller")) names.set("caller", *caller);
  return capture(of.macro->body, names);
}

value interpreter::apply_filter(std::string_view name, value subject, arguments const& given) {
  auto native = find_text_filter(name);
  if (native == nullptr) native = find_sequence_filter(name);
  if (native == nullptr) fail(errc::unsupported, "a chat template uses a filter that we do not know", line_);
  charge(1);
  if (subject.is(kind::text)) charge_bytes(subject.characters->size);
  return native(*this, subject, given);
}

bool interpreter::apply_test(std::string_view name, value subject, arguments const& given) {
  auto const native = find_test(name);
  if (native == nullptr) fail(errc::unsupported, "a chat template uses a test that we do not know", line_);
  return truth(native(*this, subject, given));
}

value interpreter::get_attribute(value of, std::string_view name) {
  native_function method = nullptr;
  switch (of.type) {
  case kind::undefined:
    refuse("a chat template uses an attribute of something undefined");
  case kind::text:
    method = find_text_method(name);
    break;
  case kind::loop:
    return loop_attribute(*this, of, name);
  case kind::list:
  case kind::mapping:
    method = find_container_method(of.type, name);
    break;
  default:
    break;
  }
  if (method != nullptr) return value(memory_.make<callable const>(callable{nullptr, nullptr, method, of}));
  if (of.is(kind::mapping) || of.is(kind::name_space))
    if (auto const* found = of.entries->find(name)) return *found;
  return {};
}

value interpreter::get_item(value of, value key) {
  if (of.is(kind::undefined)) refuse("a chat template uses an item of something undefined");
  if (of.is(kind::mapping)) {
    charge(of.entries->entries.size() / 8);
    if (auto const* found = of.entries->find(key)) return *found;
  }
  auto const whole = key.is(kind::integer) || key.is(kind::boolean);
  if (whole && (of.is(kind::list) || of.is(kind::text))) {
    auto const& items = items_of(of).values;
    auto const size = static_cast<std::int64_t>(items.size());
    auto const at = as_integer(key) < 0 ? as_integer(key) + size : as_integer(key);
    return at >= 0 && at < size ? items[static_cast<std::size_t>(at)] : value();
  }
  return key.is(kind::text) ? get_attribute(of, key.characters->view()) : value();
}

} // namespace mayfly::gpu::jinja
