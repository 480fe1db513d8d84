#pragma once
// Runs a syntax tree. Bounded in steps, depth and memory; everything it computes lives in its arena.
#include "gpu/text/jinja/python.hpp"
#include "gpu/text/jinja/syntax.hpp"

#include <optional>
#include <span>

namespace mayfly::gpu::jinja {

/// What one rendering may take.
struct limits {
  std::size_t steps = 4'000'000; ///< expressions, statements, and bytes looked at (64 for one)
  int depth = 250;               ///< nested statements, expressions and calls
  std::size_t output_bytes = std::size_t{64} << 20;
};

/// Names and what they stand for, innermost first.
struct scope {
  scope(arena& memory, scope* outer) : names(memory.resource()), parent(outer) {}
  std::pmr::vector<std::pair<std::string_view, value>> names;
  scope* parent;

  value const* find(std::string_view name) const noexcept;
  void set(std::string_view name, value to);
};

/// Arguments of a call, evaluated.
struct arguments {
  explicit arguments(arena& memory) : positional(memory.resource()), named(memory.resource()) {}
  std::pmr::vector<value> positional;
  std::pmr::vector<std::pair<std::string_view, value>> named;

  /// The one at `index`, or with that name; null if not given.
  value const* find(std::size_t index, std::string_view name) const noexcept;
  value get(std::size_t index, std::string_view name, value otherwise = {}) const noexcept;
  bool flag(std::size_t index, std::string_view name, bool otherwise = false) const noexcept;
  std::int64_t integer(std::size_t index, std::string_view name, std::int64_t otherwise) const;
};

class interpreter;
using native_function = value (*)(interpreter&, value self, arguments const&);

/// Something that can be called: a macro with the scope it was written in, or one of ours with its object.
struct callable {
  statement const* macro = nullptr;
  scope* home = nullptr;
  native_function native = nullptr;
  value self;
};

class interpreter {
public:
  interpreter(arena& memory, limits const& bounds, std::int64_t unix_seconds) noexcept
      : memory_(memory), bounds_(bounds), unix_seconds_(unix_seconds) {}

  /// Runs a whole template; its text stays valid with the arena.
  text render(statements const& body, scope& global);

  // What filters, tests and methods need.
  arena& memory() noexcept { return memory_; }
  std::int64_t unix_seconds() const noexcept { return unix_seconds_; }
  std::uint32_t line() const noexcept { return line_; }
  value make(text of) { return make_text(of, memory_); }
  value make(text_builder const& of) { return make_text(of, memory_); }
  text_builder& build() { return *memory_.make<text_builder>(memory_); }
  list& make_list(bool tuple = false) { return *memory_.make<list>(memory_, tuple); }
  text as_text(value of) { return to_text(of, memory_); }
  /// The items of what can be iterated over; fails otherwise.
  list& items_of(value over);
  /// Counts work that grows with content.
  void charge_bytes(std::size_t bytes) { charge(bytes / 64); }
  [[noreturn]] void refuse(literal what) const { fail(errc::invalid_request, what, line_); }

  value call(value callee, arguments const& given);
  value apply_filter(std::string_view name, value subject, arguments const& given);
  bool apply_test(std::string_view name, value subject, arguments const& given);
  value get_attribute(value of, std::string_view name);
  value get_item(value of, value key);

private:
  enum class flow : std::uint8_t { on, leave, next };
  class nesting;

  void charge(std::size_t steps);

  flow run(statements const& body, scope& names, text_builder& out);
  flow run(statement const& what, scope& names, text_builder& out);
  flow run_branch(statement const& what, scope& names, text_builder& out);
  flow run_loop(statement const& what, scope& names, text_builder& out);
  void run_set(statement const& what, scope& names);
  void run_macro(statement const& what, scope& names);
  void run_call_block(statement const& what, scope& names, text_builder& out);
  void run_filter_block(statement const& what, scope& names, text_builder& out);
  flow run_with(statement const& what, scope& names, text_builder& out);
  list& loop_items(statement const& what, value iterated, scope& names);
  flow run_turns(statement const& what, list& items, std::int64_t depth, scope& names, text_builder& out);
  value call_loop(loop_state const& outer, arguments const& given);
  value capture(statements const& body, scope& names);
  void assign(expression const& target, value to, scope& names);
  void emit(text of, text_builder& out);

  value evaluate(expression const& what, scope& names);
  value evaluate_arithmetic(expression const& what, scope& names);
  value evaluate_comparison(expression const& what, scope& names);
  value evaluate_slice(expression const& what, scope& names);
  value evaluate_operator(expression const& what, scope& names);
  value evaluate_items(expression const& what, scope& names);
  value evaluate_mapping(expression const& what, scope& names);
  value evaluate_call(expression const& what, scope& names, value const* caller);
  value evaluate_filter(expression const& what, scope& names, value const* body);
  arguments evaluate_arguments(std::vector<argument> const& given, scope& names);
  bool relate(value left, relation how, value right);
  value call_macro(callable const& macro, arguments const& given);

  arena& memory_;
  limits bounds_;
  std::int64_t unix_seconds_;
  std::size_t steps_ = 0;
  int depth_ = 0;
  std::uint32_t line_ = 0;
};

/// Counts one level more while it lives.
class interpreter::nesting {
public:
  explicit nesting(interpreter& of) : of_(of) {
    if (++of_.depth_ > of_.bounds_.depth)
      fail(errc::too_large, "a chat template nests too deeply", of_.line_);
  }
  nesting(nesting const&) = delete;
  nesting& operator=(nesting const&) = delete;
  ~nesting() { --of_.depth_; }

private:
  interpreter& of_;
};

/// `left operates right`. Fails where Python would.
value compute(interpreter& with, value left, operation operates, value right);

/// Python's `%` on a text; the filter `format` is the same.
value format_percent(interpreter& with, text pattern, value given);

} // namespace mayfly::gpu::jinja
