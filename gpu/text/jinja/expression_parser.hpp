#pragma once
#include "gpu/text/jinja/syntax.hpp"
#include "gpu/text/jinja/token_stream.hpp"

namespace mayfly::gpu::jinja {

/// Whether `a if b else c` may stand here without brackets; `for x in y if z` needs the `if` itself.
enum class conditionals : std::uint8_t { allowed, reserved };

/// Reads expressions by precedence, as jinja2's grammar has it. Nesting is bounded.
class expression_parser {
public:
  explicit expression_parser(token_stream& tokens) noexcept : tokens_(tokens) {}

  expression_ptr parse_expression(conditionals may = conditionals::allowed);
  /// One expression, or several with commas between: a tuple.
  expression_ptr parse_tuple(conditionals may = conditionals::allowed);
  /// What stands left of `=` or `in`: a name, names with commas, or an attribute of a name.
  expression_ptr parse_target();
  /// `| name(...) | name ...` on `subject`, which may be null; without the first bar where `bare`.
  expression_ptr parse_filters(expression_ptr subject, bool bare);
  std::vector<argument> parse_arguments();

private:
  using built = std::unique_ptr<expression>;
  /// Counts the links of a chain: each makes the tree one level deeper.
  void lengthen(int& chain);
  class nesting;

  built make(expression_kind kind) const;
  expression_ptr combine(expression_kind kind, expression_ptr left, expression_ptr right) const;
  expression_ptr parse_conditional();
  expression_ptr parse_or();
  expression_ptr parse_and();
  expression_ptr parse_not();
  expression_ptr parse_comparison();
  bool take_relation(relation& found);
  expression_ptr parse_sum();
  expression_ptr parse_concatenation();
  expression_ptr parse_product();
  expression_ptr parse_power();
  expression_ptr parse_unary(bool with_filters);
  expression_ptr parse_primary();
  expression_ptr parse_name();
  expression_ptr parse_text();
  expression_ptr parse_number();
  expression_ptr parse_brackets();
  expression_ptr parse_list();
  expression_ptr parse_mapping();
  expression_ptr parse_postfix(expression_ptr subject);
  expression_ptr parse_subscript(expression_ptr subject);
  expression_ptr parse_call(expression_ptr callee);
  expression_ptr parse_filters_and_tests(expression_ptr subject);
  expression_ptr parse_test(expression_ptr subject);

  token_stream& tokens_;
  int depth_ = 0;
  int links_ = 0;
};

} // namespace mayfly::gpu::jinja
