// Statements.
#include "gpu/text/jinja/interpreter.hpp"
#include "gpu/text/jinja/tables.hpp"

namespace mayfly::gpu::jinja {

value const* scope::find(std::string_view name) const noexcept {
  for (auto const* at = this; at != nullptr; at = at->parent)
    for (auto const& [known, held] : at->names)
      if (known == name) return &held;
  return nullptr;
}

void scope::set(std::string_view name, value to) {
  for (auto& [known, held] : names)
    if (known == name) {
      held = to;
      return;
    }
  names.emplace_back(name, to);
}

value const* arguments::find(std::size_t index, std::string_view name) const noexcept {
  if (index < positional.size()) return &positional[index];
  for (auto const& [known, given] : named)
    if (known == name) return &given;
  return nullptr;
}

value arguments::get(std::size_t index, std::string_view name, value otherwise) const noexcept {
  auto const* found = find(index, name);
  return found == nullptr ? otherwise : *found;
}

bool arguments::flag(std::size_t index, std::string_view name, bool otherwise) const noexcept {
  auto const* found = find(index, name);
  return found == nullptr ? otherwise : truth(*found);
}

std::int64_t arguments::integer(std::size_t index, std::string_view name, std::int64_t otherwise) const {
  auto const* found = find(index, name);
  if (found == nullptr || found->is(kind::none)) return otherwise;
  if (!found->is(kind::integer) && !found->is(kind::boolean))
    fail(errc::invalid_request, "a chat template gives no integer where one is due");
  return as_integer(*found);
}

text interpreter::render(statements const& body, scope& global) {
  auto& out = build();
  run(body, global, out);
  return out.result();
}

void interpreter::emit(text of, text_builder& out) {
  charge_bytes(of.size);
  if (out.size() + of.size > bounds_.output_bytes)
    fail(errc::too_large, "a chat template wrote more than it may", line_);
  out.append(of);
}

interpreter::flow interpreter::run(statements const& body, scope& names, text_builder& out) {
  for (auto const& each : body)
    if (auto const next = run(*each, names, out); next != flow::on) return next;
  return flow::on;
}

interpreter::flow interpreter::run(statement const& what, scope& names, text_builder& out) {
  nesting const guard(*this);
  charge(1);
  line_ = what.line;
  switch (what.kind) {
  case statement_kind::data:
    emit(own_text(what.name), out);
    break;
  case statement_kind::output:
    emit(as_text(evaluate(*what.expressions[0], names)), out);
    break;
  case statement_kind::branch:
    return run_branch(what, names, out);
  case statement_kind::loop:
    return run_loop(what, names, out);
  case statement_kind::set:
  case statement_kind::set_block:
    run_set(what, names);
    break;
  case statement_kind::macro:
    run_macro(what, names);
    break;
  case statement_kind::call_block:
    run_call_block(what, names, out);
    break;
  case statement_kind::filter_block:
    run_filter_block(what, names, out);
    break;
  case statement_kind::with:
  case statement_kind::scope:
    return run_with(what, names, out);
  case statement_kind::leave:
    return flow::leave;
  case statement_kind::next:
    return flow::next;
  }
  return flow::on;
}

interpreter::flow interpreter::run_branch(statement const& what, scope& names, text_builder& out) {
  for (auto const& [condition, body] : what.branches)
    if (truth(evaluate(*condition, names))) return run(body, names, out);
  return run(what.otherwise, names, out);
}

list& interpreter::loop_items(statement const& what, value iterated, scope& names) {
  auto& items = items_of(iterated);
  if (what.expressions[1] == nullptr) return items;
  auto& chosen = make_list();
  auto& inner = *memory_.make<scope>(memory_, &names);
  for (auto const& item : items.values) {
    assign(*what.target, item, inner);
    if (truth(evaluate(*what.expressions[1], inner))) chosen.values.push_back(item);
  }
  return chosen;
}

interpreter::flow interpreter::run_loop(statement const& what, scope& names, text_builder& out) {
  return run_turns(what, loop_items(what, evaluate(*what.expressions[0], names), names), 1, names, out);
}

/// `loop(items)` in a recursive loop: the same body over other items.
value interpreter::call_loop(loop_state const& outer, arguments const& given) {
  if (outer.recursive == nullptr) refuse("a chat template calls a loop that is not recursive");
  auto& out = build();
  auto& items = loop_items(*outer.recursive, given.get(0, "iterable"), *outer.home);
  run_turns(*outer.recursive, items, outer.depth + 1, *outer.home, out);
  return make(out);
}

interpreter::flow interpreter::run_turns(statement const& what, list& items, std::int64_t depth, scope& names,
                                         text_builder& out) {
  if (items.values.empty()) return run(what.otherwise, names, out);
  auto* state = memory_.make<loop_state>();
  state->items = &items;
  state->depth = depth;
  state->recursive = what.recursive ? &what : nullptr;
  state->home = &names;
  auto& inner = *memory_.make<scope>(memory_, &names);
  for (; state->at < items.values.size(); ++state->at) {
    charge(1);
    // Each turn begins with nothing but its own names (a macro made in an earlier turn sees the last one's).
    inner.names.clear();
    inner.set("loop", value(state));
    assign(*what.target, items.values[state->at], inner);
    if (run(what.body, inner, out) == flow::leave) break;
  }
  return flow::on;
}

value interpreter::capture(statements const& body, scope& names) {
  auto& out = build();
  run(body, names, out);
  return make(out);
}

void interpreter::run_set(statement const& what, scope& names) {
  if (what.kind == statement_kind::set)
    return assign(*what.target, evaluate(*what.expressions[0], names), names);
  auto& inner = *memory_.make<scope>(memory_, &names);
  auto captured = capture(what.body, inner);
  auto const* filters = what.expressions[0].get();
  assign(*what.target, filters == nullptr ? captured : evaluate_filter(*filters, names, &captured), names);
}

void interpreter::assign(expression const& target, value to, scope& names) {
  if (target.kind == expression_kind::variable) return names.set(target.name, to);
  if (target.kind == expression_kind::attribute) {
    auto const object = evaluate(*target.children[0], names);
    if (!object.is(kind::name_space)) refuse("a chat template sets an attribute of what is no namespace");
    return object.entries->set(make(own_text(target.name)), to);
  }
  auto const& items = items_of(to).values;
  if (items.size() != target.children.size())
    refuse("a chat template unpacks into the wrong number of names");
  for (std::size_t at = 0; at < items.size(); ++at) assign(*target.children[at], items[at], names);
}

void interpreter::run_macro(statement const& what, scope& names) {
  names.set(what.name, value(memory_.make<callable const>(callable{&what, &names, nullptr, {}})));
}

void interpreter::run_call_block(statement const& what, scope& names, text_builder& out) {
  auto const caller = value(memory_.make<callable const>(callable{&what, &names, nullptr, {}}));
  emit(as_text(evaluate_call(*what.expressions[0], names, &caller)), out);
}

void interpreter::run_filter_block(statement const& what, scope& names, text_builder& out) {
  auto& inner = *memory_.make<scope>(memory_, &names);
  auto const captured = capture(what.body, inner);
  emit(as_text(evaluate_filter(*what.expressions[0], names, &captured)), out);
}

interpreter::flow interpreter::run_with(statement const& what, scope& names, text_builder& out) {
  auto& inner = *memory_.make<scope>(memory_, &names);
  for (auto const& [name, given] : what.parameters) inner.set(name, evaluate(*given, names));
  return run(what.body, inner, out);
}

} // namespace mayfly::gpu::jinja
