#include "gpu/text/jinja/expression_parser.hpp"

#include <charconv>
#include <utility>

namespace mayfly::gpu::jinja {
namespace {

constexpr int deepest = 100;
constexpr int longest_chain = 200;
constexpr int most_links = 5000; // in one expression with all its brackets: bounds its tree's height

struct operator_name {
  std::string_view sign;
  operation operates;
};

constexpr operator_name sums[] = {{"+", operation::add}, {"-", operation::subtract}};
constexpr operator_name products[] = {{"*", operation::multiply},
                                      {"/", operation::divide},
                                      {"//", operation::floor_divide},
                                      {"%", operation::modulo}};

template <std::size_t Count>
operator_name const* seen(token_stream const& tokens, operator_name const (&among)[Count]) {
  for (auto const& candidate : among)
    if (tokens.sees_sign(candidate.sign)) return &candidate;
  return nullptr;
}

} // namespace

class expression_parser::nesting {
public:
  explicit nesting(expression_parser& parser) : parser_(parser) {
    if (++parser_.depth_ > deepest)
      fail(errc::too_large, "a chat template nests too deeply", parser_.tokens_.now().line);
  }
  nesting(nesting const&) = delete;
  nesting& operator=(nesting const&) = delete;
  ~nesting() { --parser_.depth_; }

private:
  expression_parser& parser_;
};

void expression_parser::lengthen(int& chain) {
  if (++chain > longest_chain || ++links_ > most_links)
    fail(errc::too_large, "a chat template has too long an expression", tokens_.now().line);
}

expression_parser::built expression_parser::make(expression_kind kind) const {
  auto made = std::make_unique<expression>();
  made->kind = kind;
  made->line = tokens_.now().line;
  return made;
}

expression_ptr expression_parser::combine(expression_kind kind, expression_ptr left,
                                          expression_ptr right) const {
  auto made = make(kind);
  made->children.push_back(std::move(left));
  made->children.push_back(std::move(right));
  return made;
}

expression_ptr expression_parser::parse_expression(conditionals may) {
  if (depth_ == 0) links_ = 0;
  nesting const guard(*this);
  return may == conditionals::allowed ? parse_conditional() : parse_or();
}

expression_ptr expression_parser::parse_conditional() {
  int chain = 0;
  auto chosen = parse_or();
  while (tokens_.take_if_name("if")) {
    lengthen(chain);
    auto made = make(expression_kind::conditional);
    made->children.push_back(parse_or());
    made->children.push_back(std::move(chosen));
    made->children.push_back(tokens_.take_if_name("else") ? parse_expression() : nullptr);
    chosen = std::move(made);
  }
  return chosen;
}

expression_ptr expression_parser::parse_or() {
  int chain = 0;
  auto left = parse_and();
  while (tokens_.take_if_name("or")) {
    lengthen(chain);
    left = combine(expression_kind::disjunction, std::move(left), parse_and());
  }
  return left;
}

expression_ptr expression_parser::parse_and() {
  int chain = 0;
  auto left = parse_not();
  while (tokens_.take_if_name("and")) {
    lengthen(chain);
    left = combine(expression_kind::conjunction, std::move(left), parse_not());
  }
  return left;
}

expression_ptr expression_parser::parse_not() {
  if (!tokens_.take_if_name("not")) return parse_comparison();
  nesting const guard(*this);
  auto made = make(expression_kind::negation);
  made->children.push_back(parse_not());
  return made;
}

bool expression_parser::take_relation(relation& found) {
  constexpr std::pair<std::string_view, relation> signs[] = {
      {"==", relation::equal},         {"!=", relation::unequal}, {"<=", relation::less_equal},
      {">=", relation::greater_equal}, {"<", relation::less},     {">", relation::greater}};
  for (auto const& [sign, meaning] : signs)
    if (tokens_.take_if_sign(sign)) return found = meaning, true;
  if (tokens_.take_if_name("in")) return found = relation::in, true;
  if (!tokens_.sees_name("not") || tokens_.ahead().kind != token_kind::name || tokens_.ahead().text != "in")
    return false;
  tokens_.take();
  tokens_.take();
  return found = relation::not_in, true;
}

expression_ptr expression_parser::parse_comparison() {
  auto first = parse_sum();
  auto found = relation::equal;
  if (!take_relation(found)) return first;
  auto made = make(expression_kind::comparison);
  made->children.push_back(std::move(first));
  do {
    made->comparisons.push_back(found);
    made->children.push_back(parse_sum());
  } while (take_relation(found));
  return made;
}

expression_ptr expression_parser::parse_sum() {
  int chain = 0;
  auto left = parse_concatenation();
  while (auto const* sign = seen(tokens_, sums)) {
    lengthen(chain);
    auto made = make(expression_kind::arithmetic);
    tokens_.take();
    made->operates = sign->operates;
    made->children.push_back(std::move(left));
    made->children.push_back(parse_concatenation());
    left = std::move(made);
  }
  return left;
}

expression_ptr expression_parser::parse_concatenation() {
  int chain = 0;
  auto left = parse_product();
  while (tokens_.take_if_sign("~")) {
    lengthen(chain);
    auto made = make(expression_kind::arithmetic);
    made->operates = operation::concatenate;
    made->children.push_back(std::move(left));
    made->children.push_back(parse_product());
    left = std::move(made);
  }
  return left;
}

expression_ptr expression_parser::parse_product() {
  int chain = 0;
  auto left = parse_power();
  while (auto const* sign = seen(tokens_, products)) {
    lengthen(chain);
    auto made = make(expression_kind::arithmetic);
    tokens_.take();
    made->operates = sign->operates;
    made->children.push_back(std::move(left));
    made->children.push_back(parse_power());
    left = std::move(made);
  }
  return left;
}

expression_ptr expression_parser::parse_power() {
  int chain = 0;
  auto left = parse_unary(true);
  while (tokens_.take_if_sign("**")) {
    lengthen(chain);
    auto made = make(expression_kind::arithmetic);
    made->operates = operation::power;
    made->children.push_back(std::move(left));
    made->children.push_back(parse_unary(true));
    left = std::move(made);
  }
  return left;
}

expression_ptr expression_parser::parse_unary(bool with_filters) {
  nesting const guard(*this);
  expression_ptr parsed;
  if (tokens_.sees_sign("-") || tokens_.sees_sign("+")) {
    auto made = make(tokens_.sees_sign("-") ? expression_kind::negative : expression_kind::positive);
    tokens_.take();
    made->children.push_back(parse_unary(false));
    parsed = std::move(made);
  } else {
    parsed = parse_primary();
  }
  parsed = parse_postfix(std::move(parsed));
  return with_filters ? parse_filters_and_tests(std::move(parsed)) : std::move(parsed);
}

expression_ptr expression_parser::parse_tuple(conditionals may) {
  auto first = parse_expression(may);
  if (!tokens_.sees_sign(",")) return first;
  auto made = make(expression_kind::tuple);
  made->children.push_back(std::move(first));
  while (tokens_.take_if_sign(",")) {
    if (tokens_.sees(token_kind::block_end) || tokens_.sees(token_kind::variable_end) ||
        tokens_.sees_sign(")") || tokens_.sees_sign("="))
      break;
    made->children.push_back(parse_expression(may));
  }
  return made;
}

expression_ptr expression_parser::parse_target() {
  auto const parse_one = [&]() -> expression_ptr {
    if (tokens_.take_if_sign("(")) {
      auto inner = parse_target();
      tokens_.expect_sign(")");
      return inner;
    }
    auto made = make(expression_kind::variable);
    made->name = tokens_.expect(token_kind::name).text;
    if (!tokens_.take_if_sign(".")) return made;
    auto of = make(expression_kind::attribute);
    of->name = tokens_.expect(token_kind::name).text;
    of->children.push_back(std::move(made));
    return of;
  };
  nesting const guard(*this);
  auto first = parse_one();
  if (!tokens_.sees_sign(",")) return first;
  auto made = make(expression_kind::tuple);
  made->children.push_back(std::move(first));
  while (tokens_.take_if_sign(",")) made->children.push_back(parse_one());
  return made;
}

expression_ptr expression_parser::parse_filters(expression_ptr subject, bool bare) {
  int chain = 0;
  while (bare || tokens_.take_if_sign("|")) {
    bare = false;
    lengthen(chain);
    auto made = make(expression_kind::filter);
    made->name = tokens_.expect(token_kind::name).text;
    while (tokens_.take_if_sign(".")) (made->name += '.') += tokens_.expect(token_kind::name).text;
    made->children.push_back(std::move(subject));
    if (tokens_.sees_sign("(")) made->arguments = parse_arguments();
    subject = std::move(made);
  }
  return subject;
}

std::vector<argument> expression_parser::parse_arguments() {
  std::vector<argument> arguments;
  tokens_.expect_sign("(");
  while (!tokens_.take_if_sign(")")) {
    if (!arguments.empty()) tokens_.expect_sign(",");
    if (tokens_.take_if_sign(")")) break;
    if (tokens_.sees_sign("*") || tokens_.sees_sign("**"))
      fail(errc::unsupported, "a chat template unpacks arguments", tokens_.now().line);
    argument made;
    auto const named = tokens_.sees(token_kind::name) && tokens_.ahead().kind == token_kind::sign &&
                       tokens_.ahead().text == "=";
    if (named) {
      made.name = tokens_.take().text;
      tokens_.take();
    }
    made.given = parse_expression();
    arguments.push_back(std::move(made));
  }
  return arguments;
}

expression_ptr expression_parser::parse_filters_and_tests(expression_ptr subject) {
  int chain = 0;
  while (true) {
    lengthen(chain);
    if (tokens_.sees_sign("|"))
      subject = parse_filters(std::move(subject), false);
    else if (tokens_.take_if_name("is"))
      subject = parse_test(std::move(subject));
    else if (tokens_.sees_sign("("))
      subject = parse_call(std::move(subject));
    else
      return subject;
  }
}

expression_ptr expression_parser::parse_test(expression_ptr subject) {
  auto const negated = tokens_.take_if_name("not");
  auto made = make(expression_kind::test);
  made->name = tokens_.expect(token_kind::name).text;
  made->children.push_back(std::move(subject));
  auto const kind = tokens_.now().kind;
  auto const operand = kind == token_kind::name || kind == token_kind::text || kind == token_kind::integer ||
                       kind == token_kind::real || tokens_.sees_sign("[") || tokens_.sees_sign("{");
  auto const reserved = tokens_.sees_name("else") || tokens_.sees_name("or") || tokens_.sees_name("and");
  if (tokens_.sees_sign("("))
    made->arguments = parse_arguments();
  else if (tokens_.sees_name("is"))
    tokens_.refuse();
  else if (operand && !reserved)
    made->arguments.push_back({{}, parse_postfix(parse_primary())});
  if (!negated) return made;
  auto negation = make(expression_kind::negation);
  negation->children.push_back(std::move(made));
  return negation;
}

} // namespace mayfly::gpu::jinja
