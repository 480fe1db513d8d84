#pragma once
// The syntax tree of a template. It holds the template's text, never content.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mayfly::gpu::jinja {

struct expression;
struct statement;
using expression_ptr = std::unique_ptr<expression const>;
using statements = std::vector<std::unique_ptr<statement const>>;

/// One argument of a call; without a name it is positional.
struct argument {
  std::string name;
  expression_ptr given;
};

/// What `children` hold, in order, stands behind each kind.
enum class expression_kind : std::uint8_t {
  text, ///< `name` is the literal
  integer,
  real,
  boolean, ///< `integer` is 0 or 1
  none,
  variable,    ///< `name`
  list,        ///< items
  tuple,       ///< items
  mapping,     ///< key, value, key, value, ...
  negative,    ///< operand
  positive,    ///< operand
  negation,    ///< operand
  conjunction, ///< left, right
  disjunction, ///< left, right
  arithmetic,  ///< left, right; `operation`
  comparison,  ///< first, then one for each of `comparisons`
  conditional, ///< condition, then, else (null: undefined)
  attribute,   ///< object; `name`
  item,        ///< object, key
  slice,       ///< object, begin, end, step (each of the last three may be null)
  call,        ///< callee; `arguments`
  filter,      ///< subject (null: the body of a block); `name`, `arguments`
  test,        ///< subject; `name`, `arguments`
};

enum class operation : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  concatenate
};
enum class relation : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal, in, not_in };

struct expression {
  expression_kind kind = expression_kind::none;
  std::uint32_t line = 0;
  std::string name;
  std::int64_t integer = 0;
  double real = 0;
  operation operates = operation::add;
  std::vector<expression_ptr> children;
  std::vector<relation> comparisons;
  std::vector<argument> arguments;
};

/// What a statement uses of the fields below stands behind each kind.
enum class statement_kind : std::uint8_t {
  data,         ///< `name` is the text
  output,       ///< expressions[0]
  branch,       ///< `branches`, `otherwise`
  loop,         ///< target, expressions: iterated, condition (may be null); recursive, body, otherwise
  set,          ///< target, expressions[0]
  set_block,    ///< target, body; expressions[0]: a chain of filters on it, or null
  macro,        ///< name, parameters, body
  call_block,   ///< expressions[0]: a call; parameters, body
  filter_block, ///< expressions[0]: a chain of filters; body
  with,         ///< parameters as assignments; body
  scope,        ///< body
  leave,        ///< break
  next,         ///< continue
};

struct branch_body {
  expression_ptr condition;
  statements body;
};

struct statement {
  statement_kind kind = statement_kind::data;
  std::uint32_t line = 0;
  std::string name;
  bool recursive = false;
  expression_ptr target; ///< variable, tuple of variables, or attribute of a variable
  std::vector<expression_ptr> expressions;
  std::vector<branch_body> branches;
  std::vector<argument> parameters; ///< with their defaults
  statements body;
  statements otherwise;
};

} // namespace mayfly::gpu::jinja
