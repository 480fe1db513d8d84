// Names, literals, brackets, and what follows them: attributes, subscripts, calls.
#include "gpu/text/jinja/expression_parser.hpp"

#include <charconv>

namespace mayfly::gpu::jinja {

expression_ptr expression_parser::parse_primary() {
  switch (tokens_.now().kind) {
  case token_kind::name:
    return parse_name();
  case token_kind::text:
    return parse_text();
  case token_kind::integer:
  case token_kind::real:
    return parse_number();
  default:
    break;
  }
  if (tokens_.sees_sign("(")) return parse_brackets();
  if (tokens_.sees_sign("[")) return parse_list();
  if (tokens_.sees_sign("{")) return parse_mapping();
  tokens_.refuse();
}

expression_ptr expression_parser::parse_name() {
  auto made = make(expression_kind::variable);
  auto name = tokens_.take().text;
  if (name == "none" || name == "None")
    made->kind = expression_kind::none;
  else if (name == "true" || name == "True" || name == "false" || name == "False") {
    made->kind = expression_kind::boolean;
    made->integer = name == "true" || name == "True";
  }
  made->name = std::move(name);
  return made;
}

expression_ptr expression_parser::parse_text() {
  auto made = make(expression_kind::text);
  while (tokens_.sees(token_kind::text))
    made->name += tokens_.take().text; // neighbours are one, as in Python
  return made;
}

expression_ptr expression_parser::parse_number() {
  auto made = make(tokens_.sees(token_kind::integer) ? expression_kind::integer : expression_kind::real);
  auto const& digits = tokens_.take().text;
  auto const* const end = digits.data() + digits.size();
  auto const parsed = made->kind == expression_kind::integer
                          ? std::from_chars(digits.data(), end, made->integer).ec
                          : std::from_chars(digits.data(), end, made->real).ec;
  if (parsed != std::errc()) fail(errc::unsupported, "a number in a chat template is too large", made->line);
  return made;
}

expression_ptr expression_parser::parse_brackets() {
  auto const line = tokens_.now().line;
  tokens_.take();
  if (tokens_.take_if_sign(")")) {
    auto made = make(expression_kind::tuple);
    made->line = line;
    return made;
  }
  auto inner = parse_tuple();
  tokens_.expect_sign(")");
  return inner;
}

expression_ptr expression_parser::parse_list() {
  auto made = make(expression_kind::list);
  tokens_.take();
  while (!tokens_.take_if_sign("]")) {
    if (!made->children.empty()) tokens_.expect_sign(",");
    if (tokens_.take_if_sign("]")) break;
    made->children.push_back(parse_expression());
  }
  return made;
}

expression_ptr expression_parser::parse_mapping() {
  auto made = make(expression_kind::mapping);
  tokens_.take();
  while (!tokens_.take_if_sign("}")) {
    if (!made->children.empty()) tokens_.expect_sign(",");
    if (tokens_.take_if_sign("}")) break;
    made->children.push_back(parse_expression());
    tokens_.expect_sign(":");
    made->children.push_back(parse_expression());
  }
  return made;
}

expression_ptr expression_parser::parse_postfix(expression_ptr subject) {
  int chain = 0;
  while (true) {
    lengthen(chain);
    if (tokens_.sees_sign(".") || tokens_.sees_sign("["))
      subject = parse_subscript(std::move(subject));
    else if (tokens_.sees_sign("("))
      subject = parse_call(std::move(subject));
    else
      return subject;
  }
}

expression_ptr expression_parser::parse_subscript(expression_ptr subject) {
  auto made = make(expression_kind::attribute);
  made->children.push_back(std::move(subject));
  if (tokens_.take_if_sign(".")) {
    if (tokens_.sees(token_kind::name)) {
      made->name = tokens_.take().text;
      return made;
    }
    made->kind = expression_kind::item; // a.0 is a[0]
    made->children.push_back(parse_number());
    return made;
  }
  tokens_.expect_sign("[");
  made->kind = expression_kind::item;
  if (tokens_.sees_sign(":"))
    made->children.push_back(nullptr);
  else
    made->children.push_back(parse_tuple());
  if (tokens_.sees_sign(":")) {
    made->kind = expression_kind::slice;
    while (tokens_.take_if_sign(":") && made->children.size() < 4) {
      auto const omitted = tokens_.sees_sign(":") || tokens_.sees_sign("]");
      made->children.push_back(omitted ? nullptr : parse_expression());
    }
    while (made->children.size() < 4) made->children.push_back(nullptr);
  }
  tokens_.expect_sign("]");
  return made;
}

expression_ptr expression_parser::parse_call(expression_ptr callee) {
  auto made = make(expression_kind::call);
  made->children.push_back(std::move(callee));
  made->arguments = parse_arguments();
  return made;
}

} // namespace mayfly::gpu::jinja
