#include "gpu/text/jinja/parser.hpp"

#include "gpu/text/jinja/expression_parser.hpp"

#include <algorithm>
#include <initializer_list>

namespace mayfly::gpu::jinja {
namespace {

constexpr int deepest = 100;

using names = std::initializer_list<std::string_view>;
using built = std::unique_ptr<statement>;

class parser {
public:
  explicit parser(std::string_view source) : tokens_(tokenize(source)), expressions_(tokens_) {}

  statements parse_all() {
    auto parsed = parse_until({});
    if (!tokens_.sees(token_kind::end)) tokens_.refuse();
    return parsed;
  }

private:
  built make(statement_kind kind) const {
    auto made = std::make_unique<statement>();
    made->kind = kind;
    made->line = tokens_.now().line;
    return made;
  }

  /// True in front of `{% name` for one of `ends`.
  bool at_end(names ends) const {
    if (!tokens_.sees(token_kind::block_begin)) return false;
    return std::find(ends.begin(), ends.end(), std::string_view(tokens_.ahead().text)) != ends.end();
  }

  statements parse_until(names ends) {
    if (++depth_ > deepest) fail(errc::too_large, "a chat template nests too deeply", tokens_.now().line);
    statements parsed;
    while (!tokens_.sees(token_kind::end) && !at_end(ends)) {
      if (ends.size() == 0 && at_end({"endfor", "endif", "endmacro", "endset", "else", "elif"}))
        tokens_.refuse();
      parsed.push_back(parse_one());
    }
    if (tokens_.sees(token_kind::end) && ends.size() != 0) tokens_.refuse();
    --depth_;
    return parsed;
  }

  /// The body of a block up to `{% end %}`, which is taken.
  statements parse_body(std::string_view end) {
    tokens_.expect(token_kind::block_end);
    auto body = parse_until({end});
    take_end();
    return body;
  }

  /// `{% name`; the rest of the tag is the caller's.
  std::string take_opening() {
    tokens_.expect(token_kind::block_begin);
    return tokens_.expect(token_kind::name).text;
  }

  void take_end() {
    take_opening();
    if (tokens_.sees(token_kind::name)) tokens_.take(); // {% endmacro name %}
    tokens_.expect(token_kind::block_end);
  }

  std::unique_ptr<statement const> parse_one() {
    if (tokens_.sees(token_kind::data)) {
      auto made = make(statement_kind::data);
      made->name = tokens_.take().text;
      return made;
    }
    if (tokens_.sees(token_kind::block_begin)) return parse_block();
    tokens_.expect(token_kind::variable_begin);
    auto made = make(statement_kind::output);
    made->expressions.push_back(expressions_.parse_tuple());
    tokens_.expect(token_kind::variable_end);
    return made;
  }

  std::unique_ptr<statement const> parse_block() {
    auto const name = take_opening();
    if (name == "if") return parse_branch();
    if (name == "for") return parse_loop();
    if (name == "set") return parse_set();
    if (name == "macro") return parse_macro();
    if (name == "call") return parse_call();
    if (name == "filter") return parse_filter();
    if (name == "with") return parse_with();
    if (name == "generation") return parse_generation();
    if (name == "break") return parse_jump(statement_kind::leave);
    if (name == "continue") return parse_jump(statement_kind::next);
    fail(errc::unsupported, "a chat template uses a tag that we do not know", tokens_.now().line);
  }

  built parse_jump(statement_kind kind) {
    auto made = make(kind);
    if (loops_ == 0) tokens_.refuse();
    tokens_.expect(token_kind::block_end);
    return made;
  }

  built parse_branch() {
    auto made = make(statement_kind::branch);
    while (true) {
      auto condition = expressions_.parse_tuple();
      tokens_.expect(token_kind::block_end);
      made->branches.push_back({std::move(condition), parse_until({"elif", "else", "endif"})});
      auto const next = take_opening();
      if (next == "elif") continue;
      tokens_.expect(token_kind::block_end);
      if (next == "endif") return made;
      made->otherwise = parse_until({"endif"});
      take_end();
      return made;
    }
  }

  built parse_loop() {
    auto made = make(statement_kind::loop);
    made->target = expressions_.parse_target();
    tokens_.expect_name("in");
    made->expressions.push_back(expressions_.parse_tuple(conditionals::reserved));
    made->expressions.push_back(tokens_.take_if_name("if") ? expressions_.parse_expression() : nullptr);
    made->recursive = tokens_.take_if_name("recursive");
    tokens_.expect(token_kind::block_end);
    ++loops_;
    made->body = parse_until({"else", "endfor"});
    --loops_;
    auto const next = take_opening();
    tokens_.expect(token_kind::block_end);
    if (next == "endfor") return made;
    made->otherwise = parse_until({"endfor"});
    take_end();
    return made;
  }

  built parse_set() {
    auto made = make(statement_kind::set);
    made->target = expressions_.parse_target();
    if (tokens_.take_if_sign("=")) {
      made->expressions.push_back(expressions_.parse_tuple());
      tokens_.expect(token_kind::block_end);
      return made;
    }
    made->kind = statement_kind::set_block;
    made->expressions.push_back(expressions_.parse_filters(nullptr, false));
    made->body = parse_body("endset");
    return made;
  }

  std::vector<argument> parse_parameters() {
    std::vector<argument> parameters;
    tokens_.expect_sign("(");
    while (!tokens_.take_if_sign(")")) {
      if (!parameters.empty()) tokens_.expect_sign(",");
      if (tokens_.take_if_sign(")")) break;
      auto name = tokens_.expect(token_kind::name).text;
      parameters.push_back(
          {std::move(name), tokens_.take_if_sign("=") ? expressions_.parse_expression() : nullptr});
    }
    return parameters;
  }

  built parse_macro() {
    auto made = make(statement_kind::macro);
    made->name = tokens_.expect(token_kind::name).text;
    made->parameters = parse_parameters();
    auto const loops = std::exchange(loops_, 0);
    made->body = parse_body("endmacro");
    loops_ = loops;
    return made;
  }

  built parse_call() {
    auto made = make(statement_kind::call_block);
    if (tokens_.sees_sign("(")) made->parameters = parse_parameters();
    made->expressions.push_back(expressions_.parse_expression());
    if (made->expressions[0]->kind != expression_kind::call) tokens_.refuse();
    auto const loops = std::exchange(loops_, 0);
    made->body = parse_body("endcall");
    loops_ = loops;
    return made;
  }

  built parse_filter() {
    auto made = make(statement_kind::filter_block);
    made->expressions.push_back(expressions_.parse_filters(nullptr, true));
    made->body = parse_body("endfilter");
    return made;
  }

  built parse_with() {
    auto made = make(statement_kind::with);
    while (!tokens_.sees(token_kind::block_end)) {
      if (!made->parameters.empty()) tokens_.expect_sign(",");
      auto name = tokens_.expect(token_kind::name).text;
      tokens_.expect_sign("=");
      made->parameters.push_back({std::move(name), expressions_.parse_expression()});
    }
    made->body = parse_body("endwith");
    return made;
  }

  built parse_generation() {
    auto made = make(statement_kind::scope);
    made->body = parse_body("endgeneration");
    return made;
  }

  token_stream tokens_;
  expression_parser expressions_;
  int depth_ = 0;
  int loops_ = 0; ///< around what is read; macros begin anew
};

} // namespace

statements parse(std::string_view source) { return parser(source).parse_all(); }

} // namespace mayfly::gpu::jinja
